"""delete of one object: at once, or marked until nothing holds it any more.

Source: ``k8s.io/apiserver/pkg/registry/generic/registry``.
"""

from dataclasses import dataclass

from apiserver.machinery import errors
from apiserver.machinery.cloning import clone
from apiserver.machinery.objectmeta import timestamp
from apiserver.machinery.resource import Resource
from apiserver.registry.codec import hub_object, stored_body
from apiserver.registry.options import DeleteOptions, WriteOptions
from apiserver.registry.reading import get
from apiserver.registry.writing import UPDATE_ATTEMPTS
from apiserver.storage.contract import ConflictError, NotFoundError, Record, Store


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a delete did."""

    record: Record
    gone: bool
    """False when finalizers keep the object, now marked with a deletionTimestamp."""


async def delete(
    resource: Resource, store: Store, namespace: str, name: str, options: DeleteOptions, write: WriteOptions
) -> Deleted:
    """Delete an object, or mark it when something holds it. Raises 404, 409 for failed preconditions."""
    for _ in range(UPDATE_ATTEMPTS):
        current = await get(resource, store, namespace, name)
        _check_preconditions(resource, current, options)
        try:
            return await _delete_once(resource, store, current, options, write)
        except ConflictError:
            continue
        except NotFoundError as missing:
            raise errors.not_found(resource.group, resource.plural, name) from missing
    raise errors.conflict(resource.group, resource.plural, name, "it is being changed too often; please try again")


async def _delete_once(
    resource: Resource,
    store: Store,
    current: Record,
    options: DeleteOptions,
    write: WriteOptions,
) -> Deleted:
    old = hub_object(current)
    if not resource.strategy.holds_deletion(old):
        if options.dry_run:
            return Deleted(current, gone=True)
        return Deleted(await store.remove(current.key, expected=current.revision), gone=True)
    if "deletionTimestamp" in old["metadata"]:
        return Deleted(current, gone=False)
    hub = clone(old)
    hub["metadata"]["deletionTimestamp"] = timestamp()
    hub["metadata"]["deletionGracePeriodSeconds"] = (options.grace_period_seconds or 0) if resource.graceful else 0
    if resource.has_generation:
        hub["metadata"]["generation"] = hub["metadata"].get("generation", 0) + 1
    resource.strategy.prepare_for_delete(hub, write.caller)
    if options.dry_run:
        return Deleted(Record(current.key, current.revision, stored_body(hub)), gone=False)
    return Deleted(await store.replace(current.key, stored_body(hub), expected=current.revision), gone=False)


def _check_preconditions(resource: Resource, current: Record, options: DeleteOptions) -> None:
    metadata = hub_object(current)["metadata"]
    for what, wanted, has in (
        ("UID", options.precondition_uid, metadata["uid"]),
        ("ResourceVersion", options.precondition_resource_version, metadata["resourceVersion"]),
    ):
        if wanted is not None and wanted != has:
            raise errors.conflict(
                resource.group,
                resource.plural,
                metadata["name"],
                f"Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {has}",
            )
