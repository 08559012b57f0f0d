"""What the quotas of a namespace allow: each write that uses more of them is charged in the same commit.

The charge is made within the order of all writes (:class:`~apiserver.storage.contract.Along`): of two creates at the
same time, on one replica or on two, the second sees what the first has used. So ``status.used`` is never behind what
exists. What goes away, or is counted by nobody yet, the controller counts; where that is still to come, the namespace
is counted here before anything is refused.

Source of rules and words: ``k8s.io/apiserver/pkg/admission/plugin/resourcequota``. There the charge comes before the
write, and stays when the write fails.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from apiserver.machinery import errors
from apiserver.machinery.resource import Object, Resource
from apiserver.registry.codec import hub_object, stored_body
from apiserver.storage.contract import (
    Along,
    ConflictError,
    Key,
    NotFoundError,
    Record,
    Selection,
    StorageError,
    Store,
)
from kube import quota as quotas
from kube.configuration import KUBEVIRTS, Configuration, configuration_of, governing
from kube.demand import Amounts

ATTEMPTS = 20
"""How often a namespace is counted for one write before that is refused: others may write all the time."""
Commit = Callable[[Sequence[Along]], Awaitable[Record]]
"""Writes an object, and what goes along with it."""


class InDoubtError(StorageError):
    """What a quota has recorded does not allow a write, or is not all that must be known."""

    def __init__(self, key: Key, refusal: errors.StatusError) -> None:
        """``refusal`` is the answer (403) where nothing more can be known."""
        super().__init__(f"{key} may be exceeded")
        self.key = key
        self.refusal = refusal


async def commit_within(store: Store, resource: Resource, new: Object, old: Object | None, commit: Commit) -> Record:
    """Commit ``new`` in the place of ``old``, None for a create, and charge the quotas of its namespace.

    Raises 403 when one of them would be exceeded, and what ``commit`` raises.
    """
    use = await _use(store, resource, new, old)
    if use is None:
        return await commit([])
    # All quotas that there are when the turn of the write has come: one may just be being created.
    every = Along(Key(quotas.RESOURCE_QUOTAS, new["metadata"]["namespace"], ""), use.charge, every=True)
    for _ in range(ATTEMPTS):
        try:
            return await commit([every])
        except InDoubtError as doubt:
            await _count(store, doubt.key, use, write=True)
    raise _refused(resource, new, "the quotas of its namespace are being used too much; please try again")


async def check(store: Store, resource: Resource, new: Object, old: Object | None) -> None:
    """Raise 403 when the quotas do not allow ``new`` in the place of ``old``; charge nothing."""
    if use := await _use(store, resource, new, old):
        here = Selection(namespace=new["metadata"]["namespace"])
        for record in (await store.list(quotas.RESOURCE_QUOTAS, here)).records:
            await _count(store, record.key, use, write=False)


@dataclass(frozen=True, slots=True)
class _Use:
    """What a write uses more of than before."""

    resource: Resource
    new: Object
    old: Object | None
    configuration: Configuration

    def of(self, quota: Object) -> Amounts:
        """Return how much more of a quota is used."""
        return quotas.growth(quota, self.resource.storage_name, self.new, self.old, self.configuration)

    def charge(self, record: Record) -> bytes | None:
        """Return a quota with the use charged (``storage.contract.Amend``). Raises InDoubtError."""
        quota = hub_object(record)
        more = self.of(quota)
        if not more:
            return None
        used = quotas.recorded(quota)
        if over := quotas.exceeded(quota, used, more):
            raise InDoubtError(record.key, _exceeded(self, quota, {name: more[name] for name in over}, used))
        return _with_status(quota, {**used, **{name: used[name] + amount for name, amount in more.items()}})


async def _use(store: Store, resource: Resource, new: Object, old: Object | None) -> _Use | None:
    """Return what may be used, None where no quota counts it."""
    if not resource.namespaced or (old is not None and resource.storage_name not in quotas.MEASURED):
        return None
    kubevirts = await store.list(KUBEVIRTS, at_least=0)
    return _Use(resource, new, old, configuration_of(governing(map(hub_object, kubevirts.records))))


async def _count(store: Store, key: Key, use: _Use, *, write: bool) -> None:
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
    used, more = quotas.counted(quota, found, use.configuration), use.of(quota)
    over = quotas.exceeded(quota, used, more)
    if write and quotas.recorded(quota) != used:
        with suppress(ConflictError, NotFoundError):  # then it is counted again, or it does not matter any more
            await store.replace(key, _with_status(quota, used), expected=record.revision)
    if over:
        raise _exceeded(use, quota, {name: more[name] for name in over}, used)


def _with_status(quota: Object, used: Amounts) -> bytes:
    status = {**quota.get("status", {}), "hard": quota["spec"]["hard"], "used": quotas.written(used)}
    return stored_body({**quota, "status": status})


def _exceeded(use: _Use, quota: Object, more: Amounts, used: Amounts) -> errors.StatusError:
    told = {
        "requested": quotas.written(more),
        "used": quotas.written({name: used.get(name, Decimal(0)) for name in more}),
        "limited": {name: quota["spec"]["hard"][name] for name in more},
    }
    amounts = (f"{what}: {','.join(f'{name}={each[name]}' for name in sorted(each))}" for what, each in told.items())
    return _refused(use.resource, use.new, f"exceeded quota: {quota['metadata']['name']}, {', '.join(amounts)}")


def _refused(resource: Resource, new: Object, why: str) -> errors.StatusError:
    return errors.forbidden_object(resource.group, resource.plural, new["metadata"]["name"], why)
