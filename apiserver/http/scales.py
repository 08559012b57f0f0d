"""The verbs on the scale subresource: those of any object, on the Scale that an object is shown as."""

from aiohttp import web

from apiserver.auth.attributes import RequestInfo
from apiserver.http import answers, bodies
from apiserver.http.api import Api
from apiserver.http.queries import request_options
from apiserver.http.request import Request
from apiserver.machinery.patch import APPLY_PATCH, apply_patch
from apiserver.machinery.resource import Object, Resource
from apiserver.registry import scaling
from apiserver.registry.options import WriteOptions
from apiserver.storage.contract import Record


async def _get(request: Request, api: Api, resource: Resource, info: RequestInfo) -> web.StreamResponse:
    revision = request.query.get("resourceVersion", "")
    record = await scaling.get(resource, api.store, info.namespace, info.name, info.version, revision)
    return _answer(request, resource, record)


async def _update(request: Request, api: Api, resource: Resource, info: RequestInfo) -> web.StreamResponse:
    options = request_options(request)
    obj = await bodies.read_object(request, options)
    record = await scaling.update(resource, api.store, info.namespace, info.name, obj, options)
    return _answer(request, resource, record, options)


async def _patch(request: Request, api: Api, resource: Resource, info: RequestInfo) -> web.StreamResponse:
    if request.content_type == APPLY_PATCH:
        options = request_options(request, applies=True)
        config = await bodies.read_configuration(request, options)
        record = await scaling.apply(resource, api.store, info.namespace, info.name, config, options)
        return _answer(request, resource, record, options)
    body = await bodies.read_bytes(request)
    options = request_options(request)
    options.repeated.extend(await bodies.repeated_in_patch(request.content_type, body, options))
    node = None if resource.custom else scaling.scale_of(resource).kind.hub.schema.root

    def patched(current: Object) -> Object:
        return apply_patch(request.content_type, body, current, node)

    record = await scaling.patch(resource, api.store, info.namespace, info.name, patched, options)
    return _answer(request, resource, record, options)


def _answer(
    request: Request, resource: Resource, record: Record, options: WriteOptions | None = None
) -> web.StreamResponse:
    kind = scaling.scale_of(resource).kind
    return answers.one(request, kind, kind.hub.name, record, warnings=options.warnings if options else ())


HANDLERS: dict[str, answers.Handler] = {"get": _get, "update": _update, "patch": _patch}
