"""The node lifecycle controller: waits for the moment a lease runs out, and marks what depends on the node."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from client.informer import Informer
from client.kinds import CONFIG_MAP, LEASE, NODE, VIRTUAL_MACHINE_INSTANCE, Kind
from client.store import key_of
from client.workqueue import WorkQueue
from controllers.context import Context
from controllers.nodelifecycle.decide import (
    UNRESPONSIVE,
    Sighting,
    found_instance_status,
    found_node_metadata,
    lost_instance_status,
    lost_node_metadata,
    lost_node_status,
    sighting,
    time_left,
)
from controllers.scheduler.controller import BY_NODE
from kube.installation import NAMESPACE
from kube.metadata import status_patch
from kube.objects import Object
from kube.revocation import CONFIG_MAP as REVOKED_NODES
from kube.revocation import revoked_at
from kube.timestamps import to_time

WORKERS = 2


class NodeLifecycleController:
    """Watches nodes and their leases."""

    def __init__(self, context: Context, *, lease_namespace: str, kubelets: bool) -> None:
        """Agents have their leases in ``lease_namespace``; with ``kubelets``, a Node's status is not for us to say."""
        self._context = context
        self._lease_namespace = lease_namespace
        self._kubelets = kubelets
        self._nodes = context.informers[NODE]
        self._leases = context.informers[LEASE]
        self._instances = context.informers[VIRTUAL_MACHINE_INSTANCE]
        self._revoked = Informer(
            context.client, CONFIG_MAP, namespace=NAMESPACE, field_selector=f"metadata.name={REVOKED_NODES}"
        )
        self._seen: dict[str, Sighting] = {}
        self._queue: WorkQueue[str] = WorkQueue("nodelifecycle", self.reconcile, workers=WORKERS)
        self._nodes.add_handler(self._changed)
        self._leases.add_handler(self._changed)
        self._revoked.add_handler(self._revoked_changed)

    async def run(self) -> None:
        """Watch until cancelled, once the informers are synced."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._revoked.run(), name="informer-revoked-nodes")
            for informer in (self._nodes, self._leases, self._instances, self._revoked):
                await informer.synced.wait()
            await self._queue.run()

    async def reconcile(self, name: str) -> float | None:
        """Mark one node and its instances as its lease says. Returns the seconds until the lease runs out."""
        node = self._nodes.get(name)
        if node is None:
            self._seen.pop(name, None)
            return None
        now = self._context.now()
        seen = sighting(self._seen.get(name), node, self._leases.get(name, self._lease_namespace), now)
        self._seen[name] = seen
        left = time_left(seen, now, revoked_at(self._revoked.get(REVOKED_NODES, NAMESPACE), name))
        if left > 0:
            if seen.follows:
                await self._patch(NODE, node, found_node_metadata(node))
                await self._mark_instances(name, found_instance_status, now)
            return left
        await self._mark_lost(node, now)
        await self._mark_instances(name, lost_instance_status, now)
        return None

    async def _mark_lost(self, node: Object, now: datetime) -> None:
        name = node["metadata"]["name"]
        status = None if self._kubelets else status_patch(node, lost_node_status(node, now))
        if status is not None or (self._kubelets and lost_node_metadata(node, to_time(now)) is not None):
            self._context.events.warning(node, UNRESPONSIVE, f"Node {name} stopped renewing its lease")
        await self._patch(NODE, node, status, subresource="status")
        node = self._nodes.get(name) or node
        await self._patch(NODE, node, lost_node_metadata(node, to_time(now)))

    async def _mark_instances(
        self, node: str, status_of: Callable[[Object, datetime], Object | None], now: datetime
    ) -> None:
        for instance in self._instances.by_index(BY_NODE, node):
            if (status := status_of(instance, now)) is not None:
                patch = status_patch(instance, status)
                await self._patch(VIRTUAL_MACHINE_INSTANCE, instance, patch, subresource="status")

    async def _patch(self, kind: Kind, obj: Object, patch: Object | None, *, subresource: str | None = None) -> None:
        if patch is None:
            return
        key = key_of(obj)
        written = await self._context.client.patch(kind, key.name, key.namespace, patch, subresource=subresource)
        self._context.informers[kind].observe(written)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        changed = new or old
        if changed is not None and key_of(changed).namespace in ("", self._lease_namespace):
            self._queue.add(key_of(changed).name)

    def _revoked_changed(self, _old: Object | None, new: Object | None) -> None:
        for name in (new or {}).get("data") or {}:
            self._queue.add(name)
