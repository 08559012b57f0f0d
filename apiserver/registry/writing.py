"""create, update and patch of one object, in Kubernetes' order and with its conflicts.

Source: ``k8s.io/apiserver/pkg/registry/generic/registry`` and Kubernetes' API conventions on concurrency control.
"""

from collections.abc import Callable

from apiserver.machinery import errors
from apiserver.machinery.cloning import clone
from apiserver.machinery.objectmeta import generated_name
from apiserver.machinery.resource import Object, Resource
from apiserver.registry import admission
from apiserver.registry.codec import hub_object, stored_body, versioned_object
from apiserver.registry.options import WriteOptions
from apiserver.registry.reading import get
from apiserver.storage.contract import (
    AlreadyExistsError,
    ConflictError,
    Key,
    NotFoundError,
    Record,
    Store,
)

NAME_ATTEMPTS = 8
"""How many generated names are tried before the client is told to try again (KEP-4420)."""
UPDATE_ATTEMPTS = 10
"""How often a write that names no resourceVersion is retried against the newest state."""


async def create(resource: Resource, store: Store, namespace: str, obj: Object, options: WriteOptions) -> Record:
    """Store a new object. Raises 400, 409 AlreadyExists, 422."""
    admission.check_identity(resource, obj, options, namespace, None)
    prefix = obj["metadata"].get("generateName") if not obj["metadata"].get("name") else None
    hub = admission.to_hub(resource, obj, options, None)
    admission.prepare_new(resource, hub, options)
    for attempt in range(NAME_ATTEMPTS):
        key = Key(resource.storage_name, namespace, hub["metadata"]["name"])
        try:
            return await _commit_new(store, key, hub, options)
        except AlreadyExistsError as taken:
            if not prefix or attempt == NAME_ATTEMPTS - 1:
                raise errors.already_exists(resource.group, resource.plural, key.name) from taken
            hub["metadata"]["name"] = generated_name(prefix)
    raise AssertionError("the loop returns or raises")


async def _commit_new(store: Store, key: Key, hub: Object, options: WriteOptions) -> Record:
    if not options.dry_run:
        return await store.create(key, stored_body(hub))
    try:
        await store.get(key)
    except NotFoundError:
        return Record(key, await store.latest(), stored_body(hub))
    raise AlreadyExistsError(key)


async def update(
    resource: Resource, store: Store, namespace: str, name: str, obj: Object, options: WriteOptions
) -> Record:
    """Replace an object, or its status when ``options.subresource`` says so. Raises 400, 404, 409, 422."""
    admission.check_identity(resource, obj, options, namespace, name)
    return await _change(resource, store, namespace, name, lambda _: _copy(obj), options)


async def patch(
    resource: Resource,
    store: Store,
    namespace: str,
    name: str,
    apply: Callable[[Object], Object],
    options: WriteOptions,
) -> Record:
    """Change an object by ``apply``, a function from its current form in the request's version to the new one.

    ``apply`` must not change what it is given, and may run again when somebody else writes in between.
    Raises 400, 404, 409, 422.
    """

    def patched(current: Record) -> Object:
        new = apply(versioned_object(current, resource, options.version))
        admission.check_identity(resource, new, options, namespace, name)
        if new["metadata"].get("resourceVersion") == str(current.revision):
            # The patch did not touch it, so it is no precondition of the client's.
            del new["metadata"]["resourceVersion"]
        return new

    return await _change(resource, store, namespace, name, patched, options)


async def _change(
    resource: Resource,
    store: Store,
    namespace: str,
    name: str,
    make: Callable[[Record], Object],
    options: WriteOptions,
) -> Record:
    warnings_before = len(options.warnings)
    for _ in range(UPDATE_ATTEMPTS):
        current = await get(resource, store, namespace, name)
        del options.warnings[warnings_before:]
        obj = make(current)
        expected = obj["metadata"].get("resourceVersion")
        if expected and expected != str(current.revision):
            raise _modified(resource, name)
        hub = _merged(resource, obj, current, options)
        try:
            return await _commit_change(resource, store, current, hub, options)
        except ConflictError as conflict:
            if expected:
                raise _modified(resource, name) from conflict
        except NotFoundError as missing:
            raise errors.not_found(resource.group, resource.plural, name) from missing
    raise errors.conflict(resource.group, resource.plural, name, "it is being changed too often; please try again")


def _merged(resource: Resource, obj: Object, current: Record, options: WriteOptions) -> Object:
    """Return the hub object to store: the request's, with everything it may not change put back."""
    old = hub_object(current)
    hub = admission.to_hub(resource, obj, options, old)
    _keep_identity(resource, hub, old)
    if options.subresource == "status":
        hub = {**clone(old), "status": hub.get("status", {})}
        resource.strategy.prepare_for_status_update(hub, old, options.caller)
        admission.judge_change(resource, hub, old, (), options)
        return hub
    if resource.has_status:
        hub.pop("status", None)
        if "status" in old:
            hub["status"] = clone(old["status"])
    if options.subresource != "finalize":
        resource.strategy.prepare_for_update(hub, old, options.caller)
    if resource.has_generation and hub.get("spec") != old.get("spec"):
        hub["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    admission.judge_change(resource, hub, old, resource.strategy.validate_update(hub, old, options.caller), options)
    return hub


def _keep_identity(resource: Resource, hub: Object, old: Object) -> None:
    metadata, before = hub["metadata"], old["metadata"]
    if metadata.get("uid") not in (None, "", before["uid"]):
        raise errors.conflict(
            resource.group,
            resource.plural,
            before["name"],
            f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {before['uid']}",
        )
    for server_owned in (
        "uid",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ):
        if server_owned in before:
            metadata[server_owned] = before[server_owned]
        else:
            metadata.pop(server_owned, None)
    metadata["resourceVersion"] = before["resourceVersion"]


async def _commit_change(
    resource: Resource, store: Store, current: Record, hub: Object, options: WriteOptions
) -> Record:
    if hub == hub_object(current):
        return current
    body = stored_body(hub)
    if options.dry_run:
        return Record(current.key, current.revision, body)
    if _ends(resource, hub):
        return await store.remove(current.key, expected=current.revision)
    return await store.replace(current.key, body, expected=current.revision)


def _ends(resource: Resource, hub: Object) -> bool:
    """Return True when an update took away the last thing that held an object in deletion.

    Source: ``generic/registry.ShouldDeleteDuringUpdate``; a grace period that runs is ended by a delete only.
    """
    metadata = hub["metadata"]
    waits = "deletionTimestamp" not in metadata or metadata.get("deletionGracePeriodSeconds")
    return not waits and not resource.strategy.holds_deletion(hub)


def _copy(obj: Object) -> Object:
    """Return a copy of what a client sent. Raises 400 when that is nested too deeply."""
    try:
        return clone(obj)
    except ValueError as too_deep:
        raise errors.nested_too_deeply() from too_deep


def _modified(resource: Resource, name: str) -> errors.StatusError:
    return errors.conflict(
        resource.group,
        resource.plural,
        name,
        "the object has been modified; please apply your changes to the latest version and try again",
    )
