"""The verbs on resources: query and body in, registry call, representation out."""

from dataclasses import replace

from aiohttp import web

from apiserver.auth.attributes import RequestInfo
from apiserver.auth.authorization import require
from apiserver.http import actions, answers, bodies, reviews, scales
from apiserver.http.api import Api
from apiserver.http.deleteoptions import delete_options
from apiserver.http.negotiation import negotiate
from apiserver.http.queries import list_options, request_options
from apiserver.http.request import Request
from apiserver.http.watches import stream
from apiserver.machinery import errors
from apiserver.machinery.patch import APPLY_PATCH, apply_patch
from apiserver.machinery.resource import Object, Resource
from apiserver.registry import deleting, reading, writing
from apiserver.registry.namespaces import require_active_namespace
from apiserver.registry.options import WriteOptions


async def serve(request: Request) -> web.StreamResponse:
    """Answer any request whose path names a resource or an action."""
    api, info = request.api, request.info
    if action := api.action(info):
        return await actions.serve(request, api, action, info)
    resource = api.resource(info)
    handler = _handlers(resource, info).get(info.verb)
    verbs = _verbs_at(resource, info)
    if handler is None or info.verb not in verbs:
        methods = sorted({method for verb in verbs for method in _METHODS[verb]})
        raise errors.verb_not_supported(resource.group, resource.plural, info.verb, methods)
    request.negotiated = negotiate(request, info.verb)
    return await handler(request, api, resource, info)


def _handlers(resource: Resource, info: RequestInfo) -> dict[str, answers.Handler]:
    if resource.transient:
        return reviews.HANDLERS
    return scales.HANDLERS if info.subresource == "scale" else _HANDLERS


def _verbs_at(resource: Resource, info: RequestInfo) -> frozenset[str]:
    """Return the verbs that the path of a request has."""
    if info.subresource:
        return frozenset(resource.subresources[info.subresource])
    if info.name:
        return _ON_OBJECTS.intersection(resource.verbs)
    verbs = _ON_COLLECTIONS.intersection(resource.verbs)
    everywhere = resource.namespaced and not info.namespace
    return verbs - _IN_ONE_NAMESPACE if everywhere else verbs


async def _get(request: Request, api: Api, resource: Resource, info: RequestInfo) -> web.StreamResponse:
    revision = request.query.get("resourceVersion", "")
    record = await reading.get(resource, api.store, info.namespace, info.name, revision)
    return answers.one(request, resource, info.version, record)


async def _list(request: Request, api: Api, resource: Resource, info: RequestInfo) -> web.StreamResponse:
    page = await reading.list_page(resource, api.store, list_options(resource, info, request.query))
    return await answers.many(request, resource, info.version, page)


async def _watch(request: Request, api: Api, resource: Resource, info: RequestInfo) -> web.StreamResponse:
    return await stream(request, api, resource, info)


async def _create(request: Request, api: Api, resource: Resource, info: RequestInfo) -> web.StreamResponse:
    options = request_options(request)
    obj = await bodies.read_object(request, options)
    if resource.namespaced:
        await require_active_namespace(api.store, info.namespace, resource, obj)
    record = await writing.create(resource, api.store, info.namespace, obj, options)
    return answers.one(request, resource, info.version, record, status=201, warnings=options.warnings)


async def _update(request: Request, api: Api, resource: Resource, info: RequestInfo) -> web.StreamResponse:
    options = request_options(request)
    obj = await bodies.read_object(request, options)
    may_create = _may_create(request, api, resource, info)
    written = await writing.update(resource, api.store, info.namespace, info.name, obj, options, may_create)
    return _answer(request, resource, info, written, options)


async def _patch(request: Request, api: Api, resource: Resource, info: RequestInfo) -> web.StreamResponse:
    if request.content_type == APPLY_PATCH:
        return await _apply(request, api, resource, info)
    body = await bodies.read_bytes(request)
    options = request_options(request)
    options.repeated.extend(await bodies.repeated_in_patch(request.content_type, body, options))
    node = None if resource.custom else resource.version(info.version).schema.root

    def patched(current: Object) -> Object:
        return apply_patch(request.content_type, body, current, node)

    record = await writing.patch(resource, api.store, info.namespace, info.name, patched, options)
    return answers.one(request, resource, info.version, record, warnings=options.warnings)


async def _apply(request: Request, api: Api, resource: Resource, info: RequestInfo) -> web.StreamResponse:
    options = request_options(request, applies=True)
    config = await bodies.read_configuration(request, options)
    may_create = _may_create(request, api, resource, info)
    written = await writing.apply(resource, api.store, info.namespace, info.name, config, options, may_create)
    return _answer(request, resource, info, written, options)


def _answer(
    request: Request, resource: Resource, info: RequestInfo, written: writing.Written, options: WriteOptions
) -> web.StreamResponse:
    status = 201 if written.created else 200
    return answers.one(request, resource, info.version, written.record, status=status, warnings=options.warnings)


def _may_create(request: Request, api: Api, resource: Resource, info: RequestInfo) -> writing.MayCreate:
    """Return the check of what an update or an apply creates: as if the client had sent a create."""

    async def check(obj: Object) -> None:
        await require(api.authorization, request.caller, replace(info, verb="create"))
        if resource.namespaced:
            await require_active_namespace(api.store, info.namespace, resource, obj)

    return check


async def _delete(request: Request, api: Api, resource: Resource, info: RequestInfo) -> web.StreamResponse:
    options = delete_options(request.query, await bodies.read_delete_options(request))
    write = request_options(request)
    deleted = await deleting.delete(resource, api.store, info.namespace, info.name, options, write)
    if deleted.gone and not resource.returns_deleted:
        return answers.success(resource, deleted.record)
    status = 202 if options.cascades and not deleted.gone else 200
    return answers.one(request, resource, info.version, deleted.record, status=status)


async def _delete_collection(request: Request, api: Api, resource: Resource, info: RequestInfo) -> web.StreamResponse:
    options = delete_options(request.query, await bodies.read_delete_options(request))
    write = request_options(request)
    page = await reading.list_page(resource, api.store, list_options(resource, info, request.query))
    await deleting.delete_all(resource, api.store, page.records, options, write)
    return await answers.many(request, resource, info.version, page)


_ON_OBJECTS = frozenset({"get", "update", "patch", "delete", "watch"})
_ON_COLLECTIONS = frozenset({"list", "watch", "create", "deletecollection"})
_IN_ONE_NAMESPACE = frozenset({"create", "deletecollection"})
_METHODS = {
    "get": ("GET", "HEAD"),
    "list": ("GET", "HEAD"),
    "watch": ("GET",),
    "create": ("POST",),
    "update": ("PUT",),
    "patch": ("PATCH",),
    "delete": ("DELETE",),
    "deletecollection": ("DELETE",),
}
_HANDLERS: dict[str, answers.Handler] = {
    "get": _get,
    "list": _list,
    "watch": _watch,
    "create": _create,
    "update": _update,
    "patch": _patch,
    "delete": _delete,
    "deletecollection": _delete_collection,
}
