"""Actions: the path and method say which, the body is what it takes, the answer what comes of it, or a stream."""

from aiohttp import web

from apiserver.auth.attributes import RequestInfo
from apiserver.http import answers, bodies, streams
from apiserver.http.api import Api
from apiserver.http.negotiation import JSON, YAML, negotiate
from apiserver.http.queries import request_options
from apiserver.http.request import Request
from apiserver.machinery import errors
from apiserver.machinery.action import Action, ObjectAction, StreamAction
from apiserver.registry import acting

METHODS = {"get": ("GET", "HEAD"), "create": ("POST",), "update": ("PUT",)}
"""How actions are asked for, by their verbs."""


async def serve(request: Request, api: Api, action: Action, info: RequestInfo) -> web.StreamResponse:
    """Answer a request for an action. Raises 405 and 406."""
    if info.verb != action.verb:
        raise errors.verb_not_supported(action.group, action.resource, info.verb, METHODS[action.verb])
    match action:
        case StreamAction():
            return await streams.serve(request, api, action, info)
        case ObjectAction():
            return await _object(request, api, action, info)
        case _:
            raise TypeError(action)


async def _object(request: Request, api: Api, action: ObjectAction, info: RequestInfo) -> web.StreamResponse:
    request.negotiated = negotiate(request, info.verb)
    if request.representation.shape:
        raise errors.not_acceptable([JSON, YAML])  # what is not kept has no rows and no metadata to show
    options = request_options(request)
    body = await bodies.read_object(request, options) if action.takes else None
    answer = await acting.act(action, api.store, info.namespace, info.name, body, options)
    return answers.acted(answer, options.warnings, status=201 if action.verb == "create" else 200)
