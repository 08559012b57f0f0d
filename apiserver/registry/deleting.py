"""delete of one object or of a collection: at once, or marked until nothing holds it any more.

Source: ``k8s.io/apiserver``: ``rest.BeforeDelete`` decides on grace, ``generic/registry.Store.Delete`` on finalizers.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apiserver.machinery import errors
from apiserver.machinery.cloning import clone
from apiserver.machinery.resource import Caller, Object, Resource
from apiserver.registry.codec import hub_object, stored_body
from apiserver.registry.options import DeleteOptions, Propagation, WriteOptions
from apiserver.registry.reading import get
from apiserver.registry.writing import UPDATE_ATTEMPTS
from apiserver.storage.contract import ConflictError, NotFoundError, Record, Store
from kube.metadata import FOREGROUND_FINALIZER, ORPHAN_FINALIZER
from kube.timestamps import to_time

COLLECTION_WORKERS = 32
"""How many objects of a collection are deleted at the same time; storage commits them together."""
LONGEST_GRACE_SECONDS = 2**31 - 1
"""A longer grace period is cut: nobody waits for 68 years, and time itself ends some 8,000 years from now."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a delete did."""

    record: Record
    gone: bool
    """False when something holds the object, now marked with a deletionTimestamp."""


@dataclass(frozen=True, slots=True)
class _Grace:
    """How a graceful deletion goes on."""

    seconds: int
    until: datetime


async def delete(
    resource: Resource, store: Store, namespace: str, name: str, options: DeleteOptions, write: WriteOptions
) -> Deleted:
    """Delete an object, or mark it when something holds it. Raises 403, 404, 409 for failed preconditions."""
    for _ in range(UPDATE_ATTEMPTS):
        current = await get(resource, store, namespace, name)
        _check_preconditions(resource, current, options)
        if why := resource.strategy.refuses_delete(hub_object(current)):
            raise errors.forbidden_object(resource.group, resource.plural, name, why)
        try:
            return await _delete_once(resource, store, current, options, write)
        except ConflictError:
            continue
        except NotFoundError as missing:
            raise errors.not_found(resource.group, resource.plural, name) from missing
    raise errors.conflict(resource.group, resource.plural, name, "it is being changed too often; please try again")


async def delete_all(
    resource: Resource, store: Store, records: Sequence[Record], options: DeleteOptions, write: WriteOptions
) -> None:
    """Delete every one of ``records``. What somebody else deleted first is as good.

    Not atomic: when one cannot be deleted (403, 409), others may be gone. Source: ``Store.DeleteCollection``.
    """
    waiting = iter(records)

    async def work() -> None:
        for record in waiting:
            try:
                await delete(resource, store, record.key.namespace, record.key.name, options, write)
            except errors.StatusError as error:
                if error.code != 404:
                    raise

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(COLLECTION_WORKERS, len(records))):
                group.create_task(work())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed


async def _delete_once(
    resource: Resource, store: Store, current: Record, options: DeleteOptions, write: WriteOptions
) -> Deleted:
    old = hub_object(current)
    hub = marked(resource, old, options, write.caller, datetime.now(UTC).replace(microsecond=0))
    if hub is None:
        if options.dry_run:
            return Deleted(current, gone=True)
        return Deleted(await store.remove(current.key, expected=current.revision), gone=True)
    if hub == old:
        return Deleted(current, gone=False)
    body = stored_body(hub)
    if options.dry_run:
        return Deleted(Record(current.key, current.revision, body), gone=False)
    return Deleted(await store.replace(current.key, body, expected=current.revision), gone=False)


def marked(resource: Resource, old: Object, options: DeleteOptions, caller: Caller, now: datetime) -> Object | None:
    """Return the hub object as a delete leaves it, equal to ``old`` when it changes nothing; None when it is to go."""
    first = "deletionTimestamp" not in old["metadata"]
    grace = _grace(resource, old, options, now) if resource.graceful else None
    if grace is not None and not first and grace.seconds == old["metadata"]["deletionGracePeriodSeconds"]:
        # Once a grace period runs, neither it nor the finalizers change but to shorten it.
        return old
    hub = clone(old)
    metadata = hub["metadata"]
    finalizers = _finalizers(resource, metadata.get("finalizers", []), options)
    metadata.pop("finalizers", None)
    if finalizers:
        metadata["finalizers"] = finalizers
    if not (grace and grace.seconds) and not resource.strategy.holds_deletion(hub):
        return None
    if grace is not None:
        metadata["deletionTimestamp"] = to_time(grace.until)
        metadata["deletionGracePeriodSeconds"] = grace.seconds
    elif first or datetime.fromisoformat(metadata["deletionTimestamp"]) > now:
        metadata["deletionTimestamp"] = to_time(now)
        metadata["deletionGracePeriodSeconds"] = 0
    if first:
        if metadata.get("generation"):
            metadata["generation"] += 1
        resource.strategy.prepare_for_delete(hub, caller)
    return hub


def _grace(resource: Resource, old: Object, options: DeleteOptions, now: datetime) -> _Grace | None:
    """Return the grace period from now on, or None when none is left. A period that runs can only become shorter."""
    asked = options.grace_period_seconds
    if asked is not None:
        asked = min(asked, LONGEST_GRACE_SECONDS) if asked >= 0 else 1
    metadata = old["metadata"]
    if "deletionTimestamp" not in metadata:
        seconds = resource.strategy.grace_period_seconds(old, asked)
        return _Grace(seconds, now + timedelta(seconds=seconds))
    running = metadata.get("deletionGracePeriodSeconds", 0)
    until = datetime.fromisoformat(metadata["deletionTimestamp"])
    if not running:
        return None
    if asked is None or asked >= running:
        return _Grace(running, until)
    until += timedelta(seconds=asked - running)
    if until >= now:
        return _Grace(asked, until)
    # Even when all the time asked for has passed, whoever ends the object sees the change and has a second.
    return _Grace(1 if asked else 0, now)


def _finalizers(resource: Resource, old: list[str], options: DeleteOptions) -> list[str]:
    """Return the finalizers with which the garbage collector is asked to orphan dependents or to delete them first.

    What the request says overrides what the object says. Source: ``deletionFinalizersForGarbageCollection``.
    """
    own = {Propagation.FOREGROUND: FOREGROUND_FINALIZER, Propagation.ORPHAN: ORPHAN_FINALIZER}
    others = [each for each in old if each not in own.values()]
    if not resource.propagates:
        return others
    if options.propagation is not None:
        wanted = own.get(options.propagation)
    else:
        wanted = next((each for each in old if each in own.values()), None)
    finalizers = [*others, wanted] if wanted else others
    return old if set(finalizers) == set(old) else finalizers


def _check_preconditions(resource: Resource, current: Record, options: DeleteOptions) -> None:
    metadata = hub_object(current)["metadata"]
    for what, wanted, has, happened in (
        ("UID", options.precondition_uid, metadata["uid"], "deleted and then recreated"),
        ("ResourceVersion", options.precondition_resource_version, metadata["resourceVersion"], "modified"),
    ):
        if wanted is not None and wanted != has:
            raise errors.conflict(
                resource.group,
                resource.kind,
                metadata["name"],
                f"the {what} in the precondition ({wanted}) does not match the {what} in record ({has}). "
                f"The object might have been {happened}",
            )
