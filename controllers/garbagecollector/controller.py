"""The garbage collector. The informers suggest what is garbage; the API confirms it before anything is deleted.

Source: Kubernetes' "Owners and dependents"; an owner counts as gone when its uid is.
"""

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from client.api import ApiError
from client.kinds import CONFIG_MAP, LEASE, NODE, SECRET, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE, Kind
from client.store import ObjectKey, key_of
from client.workqueue import WorkQueue
from controllers.context import Context
from kube.metadata import is_terminating
from kube.objects import Object

DEPENDENTS = (VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE, SECRET, CONFIG_MAP, LEASE)
OWNERS = (*DEPENDENTS, NODE)
BY_OWNER = "owner"
"""The index of objects by the uids of their owners."""
WORKERS = 4


class Dependent(NamedTuple):
    """One object that may have owners."""

    kind: Kind
    key: ObjectKey


def owner_uids(obj: Object) -> Iterable[str]:
    """Index an object by its owners."""
    return [owner["uid"] for owner in obj["metadata"].get("ownerReferences", ())]


class GarbageCollector:
    """Deletes what nobody owns any more."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._informers = context.informers
        self._queue: WorkQueue[Dependent] = WorkQueue("garbagecollector", self.reconcile, workers=WORKERS)
        for kind in OWNERS:
            self._informers[kind].add_handler(partial(self._changed, kind))

    async def run(self) -> None:
        """Collect until cancelled, once all informers are synced."""
        for kind in OWNERS:
            await self._informers[kind].synced.wait()
        await self._queue.run()

    async def reconcile(self, dependent: Dependent) -> None:
        """Delete one object if every one of its owners is gone."""
        kind, key = dependent
        obj = self._informers[kind].get(key.name, key.namespace)
        if obj is None or is_terminating(obj):
            return
        owners = obj["metadata"].get("ownerReferences", ())
        if not owners or any(self._is_known(owner, key.namespace) for owner in owners):
            return
        for owner in owners:
            if not await self._is_gone(owner, key.namespace):
                return
        await self._delete(dependent, obj["metadata"]["uid"])

    async def _delete(self, dependent: Dependent, uid: str) -> None:
        kind, key = dependent
        try:
            await self._client.delete(kind, key.name, key.namespace, uid=uid, propagation_policy="Background")
        except ApiError as error:
            if not error.not_found:
                raise

    def _is_known(self, owner: Object, namespace: str) -> bool:
        kind = _kind_of(owner)
        if kind is None:
            # Not a kind of ours: whoever serves it must collect its dependents.
            return True
        found = self._informers[kind].get(owner["name"], namespace if kind.namespaced else "")
        return found is not None and found["metadata"]["uid"] == owner["uid"]

    async def _is_gone(self, owner: Object, namespace: str) -> bool:
        kind = _kind_of(owner)
        if kind is None:
            return False
        try:
            found = await self._client.get(kind, owner["name"], namespace if kind.namespaced else None)
        except ApiError as error:
            if error.not_found:
                return True
            raise
        return found["metadata"]["uid"] != owner["uid"]

    def _changed(self, kind: Kind, old: Object | None, new: Object | None) -> None:
        if new is not None:
            if new["metadata"].get("ownerReferences") and kind in DEPENDENTS:
                self._queue.add(Dependent(kind, key_of(new)))
        elif old is not None:
            for each in DEPENDENTS:
                for orphan in self._informers[each].by_index(BY_OWNER, old["metadata"]["uid"]):
                    self._queue.add(Dependent(each, key_of(orphan)))


def _kind_of(owner: Object) -> Kind | None:
    """Return the kind that an owner reference names, in whatever version, or None when it is not one of ours."""
    group = owner["apiVersion"].rpartition("/")[0]
    return next((kind for kind in OWNERS if (kind.group, kind.kind) == (group, owner["kind"])), None)
