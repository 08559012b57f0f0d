"""Reviews: read and checked like any new object, answered, and not stored."""

from aiohttp import web

from apiserver.auth.attributes import RequestInfo
from apiserver.http import answers, bodies
from apiserver.http.api import Api
from apiserver.http.negotiation import JSON, YAML
from apiserver.http.queries import request_options
from apiserver.http.request import Request
from apiserver.machinery import errors
from apiserver.machinery.resource import Resource
from apiserver.registry import admission


async def _create(request: Request, api: Api, resource: Resource, info: RequestInfo) -> web.StreamResponse:
    if api.reviews is None:
        raise errors.no_such_path()
    if request.representation.shape:
        raise errors.not_acceptable([JSON, YAML])  # what is not kept has no rows and no metadata to show
    options = request_options(request)
    review = await bodies.read_object(request, options)
    checked = admission.check_transient(resource, review, options, info.namespace)
    status = api.reviews.status_of(checked, request.caller)
    return answers.unstored(resource, info.version, {**checked, "status": status}, options.warnings)


HANDLERS: dict[str, answers.Handler] = {"create": _create}
