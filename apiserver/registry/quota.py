"""What the quotas of a namespace allow: each write that uses more of them is charged in the same commit.

The charge is made within the order of all writes (:class:`~apiserver.storage.contract.Along`): of two creates at the
same time, on one replica or on two, the second sees what the first has used. So ``status.used`` is never behind what
exists. What goes away, or is counted by nobody yet, the controller counts; where that is still to come, the namespace
is counted here before anything is refused. One gap is left, as upstream: a write that is under way on another replica
while a quota is created may not be charged to it, until it is counted again.

Source of rules and words: ``k8s.io/apiserver/pkg/admission/plugin/resourcequota``. There the charge comes before the
write, and stays when the write fails.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import NoReturn

from apiserver.machinery import errors
from apiserver.machinery.resource import Object, Resource
from apiserver.registry.codec import hub_object, stored_body
from apiserver.storage.contract import (
    Along,
    Amend,
    ConflictError,
    Key,
    NotFoundError,
    Record,
    Selection,
    StorageError,
    Store,
)
from kube import quota as quotas
from kube.demand import Amounts

ATTEMPTS = 20
"""How often a namespace is counted for one write before that is refused: others may write all the time."""
Commit = Callable[[Sequence[Along]], Awaitable[Record]]
"""Writes an object, and what goes along with it."""


class _InDoubtError(StorageError):
    """What a quota has recorded does not allow a write, or is not all that must be known."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"{key} may be exceeded")
        self.key = key


async def commit_within(store: Store, resource: Resource, new: Object, old: Object | None, commit: Commit) -> Record:
    """Commit ``new`` in the place of ``old``, None for a create, and charge the quotas of its namespace.

    Raises 403 when one of them would be exceeded, and what ``commit`` raises.
    """
    for _ in range(ATTEMPTS):
        found = await _concerned(store, resource, new, old)
        try:
            return await commit([Along(each.key, _charge(resource, new, old)) for each in found])
        except _InDoubtError as doubt:
            await _count(store, doubt.key, resource, new, old, write=True)
    raise _refused(resource, new, "the quotas of its namespace are being used too much; please try again")


async def check(store: Store, resource: Resource, new: Object, old: Object | None) -> None:
    """Raise 403 when the quotas do not allow ``new`` in the place of ``old``; charge nothing."""
    charge = _charge(resource, new, old)
    for record in await _concerned(store, resource, new, old):
        try:
            charge(record)
        except _InDoubtError as doubt:
            await _count(store, doubt.key, resource, new, old, write=False)


async def _concerned(store: Store, resource: Resource, new: Object, old: Object | None) -> list[Record]:
    """Return the quotas of which more would be used.

    What is at hand will do: whoever writes has read the namespace or the object before, as new as it was then.
    """
    if not resource.namespaced:
        return []
    here = Selection(namespace=new["metadata"]["namespace"])
    found = await store.list(quotas.RESOURCE_QUOTAS, here, at_least=0)
    kind = resource.storage_name
    return [each for each in found.records if quotas.growth(hub_object(each), kind, new, old)]


def _charge(resource: Resource, new: Object, old: Object | None) -> Amend:
    def charge(record: Record) -> bytes | None:
        quota = hub_object(record)
        more = quotas.growth(quota, resource.storage_name, new, old)
        if not more:
            return None
        used = quotas.recorded(quota)
        if quotas.exceeded(quota, used, more):
            raise _InDoubtError(record.key)
        return _with_status(quota, {**used, **{name: used[name] + amount for name, amount in more.items()}})

    return charge


async def _count(store: Store, key: Key, resource: Resource, new: Object, old: Object | None, *, write: bool) -> None:
    """Count all that a quota limits, and record it. Raises 403 when even so the write is too much.

    What is counted is at least as new as the quota, and nothing that uses more of it comes in between without a
    conflict: each such write changes the quota.
    """
    try:
        record = await store.get(key)
    except NotFoundError:
        return
    quota, here = hub_object(record), Selection(namespace=key.namespace)
    found = {
        kind: map(hub_object, (await store.list(kind, here, at_least=record.revision)).records)
        for kind in quotas.sources(quota)
    }
    used = quotas.counted(quota, found)
    more = quotas.growth(quota, resource.storage_name, new, old)
    over = quotas.exceeded(quota, used, more)
    if write and quotas.recorded(quota) != used:
        with suppress(ConflictError, NotFoundError):  # then it is counted again, or it does not matter any more
            await store.replace(key, _with_status(quota, used), expected=record.revision)
    if over:
        _refuse(resource, new, quota, {name: more[name] for name in over}, used)


def _with_status(quota: Object, used: Amounts) -> bytes:
    status = {**quota.get("status", {}), "hard": quota["spec"]["hard"], "used": quotas.written(used)}
    return stored_body({**quota, "status": status})


def _refuse(resource: Resource, new: Object, quota: Object, more: Amounts, used: Amounts) -> NoReturn:
    told = {
        "requested": quotas.written(more),
        "used": quotas.written({name: used[name] for name in more}),
        "limited": {name: quota["spec"]["hard"][name] for name in more},
    }
    amounts = (f"{what}: {','.join(f'{name}={each[name]}' for name in sorted(each))}" for what, each in told.items())
    raise _refused(resource, new, f"exceeded quota: {quota['metadata']['name']}, {', '.join(amounts)}")


def _refused(resource: Resource, new: Object, why: str) -> errors.StatusError:
    return errors.forbidden_object(resource.group, resource.plural, new["metadata"]["name"], why)
