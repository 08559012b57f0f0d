"""The scale subresource: an object shown as a Scale, and written through one.

A write changes the replicas of the object and nothing else, and goes the way of every write: its kind's rules, its
generation, its field managers. Source: ``ScaleREST`` of ``k8s.io/apiextensions-apiserver/pkg/registry/customresource``;
``ScaleHandler`` of ``k8s.io/apimachinery/pkg/util/managedfields``, which gives a manager of the subresource the path of
the replicas in the object, in the object's version.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from apiserver.machinery import errors
from apiserver.machinery.cloning import clone
from apiserver.machinery.resource import Object, Path, Resource, Scale
from apiserver.registry import admission, managedfields, reading, writing
from apiserver.registry.codec import hub_object, stored_body, versioned_object
from apiserver.registry.options import WriteOptions
from apiserver.storage.contract import Record, Store

SHOWN_METADATA = ("name", "namespace", "uid", "creationTimestamp")
_PRECONDITIONS = ("uid", "resourceVersion")


async def get(
    resource: Resource, store: Store, namespace: str, name: str, version: str, resource_version: str = ""
) -> Record:
    """Return a Scale; see ``reading.get``."""
    return shown(resource, await reading.get(resource, store, namespace, name, resource_version), version)


async def update(
    resource: Resource, store: Store, namespace: str, name: str, obj: Object, options: WriteOptions
) -> Record:
    """Scale as the Scale ``obj`` says. Raises 400, 404, 409, 422."""
    scale = scale_of(resource)
    wanted = _judged(scale.kind, obj, namespace, name, options)
    return await _write(resource, store, namespace, name, lambda _: wanted, options)


async def patch(
    resource: Resource,
    store: Store,
    namespace: str,
    name: str,
    apply: Callable[[Object], Object],
    options: WriteOptions,
) -> Record:
    """Scale as ``apply`` changes the Scale; see ``writing.patch``."""
    scale = scale_of(resource)

    def patched(current: Record) -> Object:
        new = _judged(
            scale.kind, apply(hub_object(shown(resource, current, options.version))), namespace, name, options
        )
        return writing.without_own_version(new, current)

    return await _write(resource, store, namespace, name, patched, options)


async def apply(
    resource: Resource, store: Store, namespace: str, name: str, config: Object, options: WriteOptions
) -> Record:
    """Make the replicas of ``config``, a Scale, those of the object: server-side apply. Raises 400, 404, 409, 422."""
    scale = scale_of(resource)
    writing.require_type(config)
    wanted = _judged(scale.kind, config, namespace, name, options)
    parent: Object = {
        "apiVersion": resource.api_version(options.version),
        "kind": resource.kind,
        "metadata": {key: value for key, value in wanted["metadata"].items() if key in ("name", *_PRECONDITIONS)},
    }
    if "replicas" in wanted.get("spec", {}):
        _set(parent, scale.spec_replicas, wanted["spec"]["replicas"])

    def applied(current: Record) -> writing.Draft:
        new, managed = managedfields.applied(resource, current, clone(parent), options)
        return writing.Draft(writing.without_own_version(new, current), managed)

    record = await writing.change(resource, store, namespace, name, applied, options)
    return shown(resource, record, options.version)


def shown(resource: Resource, record: Record, version: str) -> Record:
    """Return the record of an object as one of its Scale, as ``version`` of the object has it."""
    scale, obj = scale_of(resource), versioned_object(record, resource, version)
    status: Object = {"replicas": _get(obj, scale.status_replicas, 0)}
    if selector := _get(obj, scale.label_selector, ""):
        status["selector"] = selector
    body = {
        "apiVersion": scale.kind.hub_api_version,
        "kind": scale.kind.kind,
        "metadata": {key: obj["metadata"][key] for key in SHOWN_METADATA if key in obj["metadata"]},
        "spec": {"replicas": _get(obj, scale.spec_replicas, scale.default_replicas)},
        "status": status,
    }
    return Record(record.key, record.revision, stored_body(body))


def scale_of(resource: Resource) -> Scale:
    """Return the subresource of a kind. Raises 404 for a kind that has none."""
    if resource.scale is None:
        raise errors.no_such_path()
    return resource.scale


def _judged(kind: Resource, obj: Object, namespace: str, name: str, options: WriteOptions) -> Object:
    """Return a Scale that a client has sent, completed and checked. Raises 400, 422."""
    own = replace(options, version=kind.hub.name)
    admission.check_identity(kind, obj, own, namespace, name)
    scale = admission.to_hub(kind, admission.checked(kind, writing.copied(obj), own), own)
    if found := list(kind.strategy.validate(scale, options.caller)):
        raise errors.invalid(kind.group, kind.kind, name, found)
    return scale


async def _write(
    resource: Resource,
    store: Store,
    namespace: str,
    name: str,
    wanted: Callable[[Record], Object],
    options: WriteOptions,
) -> Record:
    scale = scale_of(resource)

    def scaled(current: Record) -> writing.Draft:
        asked, obj = wanted(current), clone(versioned_object(current, resource, options.version))
        # A Scale without a version replaces whatever there is; one without replicas wants none.
        obj["metadata"].pop("resourceVersion")
        obj["metadata"] |= {key: asked["metadata"][key] for key in _PRECONDITIONS if asked["metadata"].get(key)}
        _set(obj, scale.spec_replicas, asked.get("spec", {}).get("replicas", 0))
        return writing.Draft(obj)

    return shown(resource, await writing.change(resource, store, namespace, name, scaled, options), options.version)


def _get(obj: Object, path: Path, otherwise: Any) -> Any:
    *parents, last = path
    for name in parents:
        obj = obj.get(name, {})
    return obj.get(last, otherwise)


def _set(obj: Object, path: Path, value: Any) -> None:
    *parents, last = path
    for name in parents:
        obj = obj.setdefault(name, {})
    obj[last] = value
