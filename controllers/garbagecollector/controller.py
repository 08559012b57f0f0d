"""The garbage collector. The informers suggest what is garbage; the API confirms it before anything is deleted.

An owner is named by kind and name, in the dependent's own namespace or in none, and it is the owner only if its uid is
the one that the dependent says. Source: Kubernetes' "Owners and dependents"; ``pkg/controller/garbagecollector``.
"""

import asyncio
from collections.abc import Iterable

import structlog

from client.errors import if_found
from client.events import EventRecorder
from client.kinds import Kind
from client.store import ObjectKey, key_of
from client.workqueue import WorkQueue
from controllers.context import Context
from controllers.garbagecollector.absent import AbsentOwners, Owner
from controllers.garbagecollector.decide import (
    Delete,
    Disown,
    Keep,
    Standing,
    blocks,
    decide,
    disowning,
    standing_of,
    unblocked,
    unblocking,
    waits_for_dependents,
    waits_to_orphan,
)
from controllers.monitors import Item, Monitors, owner_uids
from kube.metadata import FOREGROUND_FINALIZER, ORPHAN_FINALIZER, is_terminating, removing_finalizer
from kube.objects import Object

COMPONENT = "garbage-collector-controller"
WORKERS = 8
ORPHANED_TOGETHER = 16
UNKNOWN_SECONDS = 30.0
"""When to look again at what depends on a kind that is not served, or not known, yet."""

log = structlog.get_logger(__name__)


class GarbageCollector:
    """Deletes what nobody owns any more, and finishes deletions in the foreground and those that orphan."""

    def __init__(self, context: Context, monitors: Monitors) -> None:
        self._client = context.client
        self._monitors = monitors
        self._events = EventRecorder(context.client, COMPONENT)
        self._absent = AbsentOwners()
        self._namespaces: dict[str, str] = {}
        """Where each object is, by its uid."""
        self._queue: WorkQueue[Item] = WorkQueue("garbagecollector", self.reconcile, workers=WORKERS)
        monitors.add_handler(self._changed)

    async def run(self) -> None:
        """Collect until cancelled, once all objects are known."""
        await self._monitors.synced()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events.run(), name="garbagecollector-events")
            group.create_task(self._queue.run(), name="garbagecollector-queue")

    async def reconcile(self, item: Item) -> float | None:
        """Do what an object's owners, or its own deletion, ask for."""
        known = self._monitors.get(item)
        if known is None:
            return None
        if waits_to_orphan(known):
            await self._orphan_dependents(item, known)
        elif waits_for_dependents(known):
            return await self._wait_for_dependents(item, known)
        elif not is_terminating(known) and not self._is_owned(item, known):
            return await self._judge(item, known["metadata"]["uid"])
        return None

    async def _judge(self, item: Item, uid: str) -> float | None:
        """Delete an object, or take owners off it, if the API confirms how its owners stand."""
        latest = await self._find(item.kind, item.key.name, item.key.namespace)
        if latest is None or latest["metadata"]["uid"] != uid:
            return None
        owners = latest["metadata"].get("ownerReferences", ())
        standings = [await self._standing(item, latest, owner) for owner in owners]
        action = decide(latest, standings, (dependent for _, dependent in self._monitors.dependents(uid)))
        match action:
            case Disown(uids):
                await self._patch(item, disowning(latest, uids))
            case Delete(policy, unblock):
                if unblock:
                    latest = await self._patch(item, unblocking(latest)) or latest
                await self._delete(item, latest, policy)
            case Keep():
                return UNKNOWN_SECONDS if self._may_become_known(item, owners) else None
        return None

    def _may_become_known(self, item: Item, owners: list[Object]) -> bool:
        kinds = [self._monitors.kind_of(owner["apiVersion"], owner["kind"]) for owner in owners]
        return None in kinds and not any(kind and kind.namespaced and not item.kind.namespaced for kind in kinds)

    async def _standing(self, item: Item, dependent: Object, owner: Object) -> Standing:
        kind = self._monitors.kind_of(owner["apiVersion"], owner["kind"])
        if kind is None or (kind.namespaced and not item.kind.namespaced):
            return Standing.UNKNOWN
        namespace = item.key.namespace if kind.namespaced else ""
        named = Owner(owner["apiVersion"], owner["kind"], namespace, owner["name"], owner["uid"])
        if named in self._absent:
            return Standing.ABSENT
        found = await self._find(kind, owner["name"], namespace)
        standing = Standing.ABSENT if found is None else standing_of(found, owner["uid"])
        if standing is Standing.ABSENT:
            self._absent.add(named)
            self._tell_of_wrong_namespace(dependent, named)
        return standing

    def _is_owned(self, item: Item, known: Object) -> bool:
        """Return True when there is nothing to ask the API: no owners, or all of them known and in good health."""
        for owner in known["metadata"].get("ownerReferences", ()):
            kind = self._monitors.kind_of(owner["apiVersion"], owner["kind"])
            place = self._owner_item(item, owner) if kind is not None else None
            found = self._monitors.get(place) if place is not None else None
            if found is None or standing_of(found, owner["uid"]) is not Standing.SOLID:
                return False
        return True

    async def _wait_for_dependents(self, item: Item, owner: Object) -> float | None:
        """Let go an owner that is deleted in the foreground once nothing blocks it any more, as far as can be known."""
        uid = owner["metadata"]["uid"]
        blocking = [(kind, obj) for kind, obj in self._monitors.dependents(uid) if blocks(obj, uid)]
        for kind, obj in blocking:
            if not is_terminating(obj):
                self._queue.add(Item(kind, key_of(obj)))
        if blocking:
            return None
        if unknown := [kind for kind in self._monitors.unsynced if kind.namespaced or not item.kind.namespaced]:
            told = [kind.kind for kind in unknown]
            log.warning("an owner waits for dependents that may exist", owner=item.kind.kind, unknown=told)
            return UNKNOWN_SECONDS
        await self._patch(item, removing_finalizer(owner, FOREGROUND_FINALIZER))
        return None

    async def _orphan_dependents(self, item: Item, owner: Object) -> None:
        """Take an owner off all its dependents, then let it go.

        The API is asked for them: a dependent that an informer does not know yet would be taken for garbage later.
        """
        uid = owner["metadata"]["uid"]
        free = asyncio.Semaphore(ORPHANED_TOGETHER)

        async def orphan(dependent: Item, obj: Object) -> None:
            async with free:
                await self._patch(dependent, disowning(obj, [uid]))

        found = await self._listed_dependents(item, uid)
        failures = await asyncio.gather(*(orphan(*each) for each in found), return_exceptions=True)
        for failure in failures:
            if failure is not None:
                raise failure
        await self._patch(item, removing_finalizer(owner, ORPHAN_FINALIZER))

    async def _listed_dependents(self, owner: Item, uid: str) -> list[tuple[Item, Object]]:
        found: list[tuple[Item, Object]] = []
        for kind in self._monitors.kinds:
            if kind.namespaced or not owner.kind.namespaced:
                listed = await self._client.list(kind, owner.key.namespace or None, metadata_only=True)
                found += [(Item(kind, key_of(obj)), obj) for obj in listed["items"] if uid in owner_uids(obj)]
        return found

    async def _find(self, kind: Kind, name: str, namespace: str) -> Object | None:
        return await if_found(self._client.get(kind, name, namespace or None))

    async def _patch(self, item: Item, patch: Object) -> Object | None:
        kind, key = item
        return await if_found(self._client.patch(kind, key.name, key.namespace or None, patch))

    async def _delete(self, item: Item, latest: Object, policy: str) -> None:
        (kind, key), metadata = item, latest["metadata"]
        await if_found(
            self._client.delete(
                kind,
                key.name,
                key.namespace or None,
                uid=metadata["uid"],
                resource_version=metadata["resourceVersion"],
                propagation_policy=policy,
            )
        )

    def _tell_of_wrong_namespace(self, dependent: Object, owner: Owner) -> None:
        namespace = self._namespaces.get(owner.uid)
        if namespace and namespace != owner.namespace:
            self._events.warning(
                dependent,
                "OwnerRefInvalidNamespace",
                f"ownerRef [{owner.api_version}/{owner.kind}, namespace: {owner.namespace}, name: {owner.name}, "
                f'uid: {owner.uid}] does not exist in namespace "{owner.namespace}"',
            )

    def _changed(self, kind: Kind, old: Object | None, new: Object | None) -> None:
        if new is None:
            if old is not None:
                self._gone(kind, old)
            return
        item = Item(kind, key_of(new))
        uid = new["metadata"]["uid"]
        self._namespaces[uid] = item.key.namespace
        before, owners = ((each or {}).get("metadata", {}).get("ownerReferences") for each in (old, new))
        if owners != before:
            self._queue.add(item)
            self._wake_owners(item, unblocked(before or (), owners or ()))
        if waits_to_orphan(new) and not (old and waits_to_orphan(old)):
            self._queue.add(item)
        if waits_for_dependents(new) and not (old and waits_for_dependents(old)):
            self._queue.add(item)
            self._wake_dependents(uid)

    def _gone(self, kind: Kind, old: Object) -> None:
        uid = old["metadata"]["uid"]
        self._namespaces.pop(uid, None)
        self._wake_dependents(uid)
        self._wake_owners(Item(kind, key_of(old)), old["metadata"].get("ownerReferences", ()))

    def _wake_dependents(self, uid: str) -> None:
        for kind, dependent in self._monitors.dependents(uid):
            self._queue.add(Item(kind, key_of(dependent)))

    def _wake_owners(self, item: Item, owners: Iterable[Object]) -> None:
        """Look again at owners that wait for their dependents."""
        for owner in owners:
            place = self._owner_item(item, owner)
            found = self._monitors.get(place) if place is not None else None
            if place is not None and found is not None and waits_for_dependents(found):
                self._queue.add(place)

    def _owner_item(self, item: Item, owner: Object) -> Item | None:
        kind = self._monitors.kind_of(owner["apiVersion"], owner["kind"])
        if kind is None:
            return None
        return Item(kind, ObjectKey(item.key.namespace if kind.namespaced else "", owner["name"]))
