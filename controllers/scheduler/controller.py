"""The scheduler: gather nodes and what they carry, ask :mod:`decide`, write one status patch."""

from client.api import Client
from client.informer import Informer
from client.kinds import NODE, VIRTUAL_MACHINE_INSTANCE
from client.store import ObjectKey, key_of
from client.workqueue import WorkQueue
from controllers.context import Context
from controllers.scheduler.decide import Bind, Nothing, Release, Unschedulable, decide
from controllers.scheduler.demand import NodeFacts, Resources, demand, node_facts
from controllers.scheduler.ledger import Ledger
from kube.conditions import get_condition, remove_condition, set_condition
from kube.instances import INSTANCE_FINALIZER, is_final, node_of
from kube.metadata import is_terminating, removing_finalizer, status_patch
from kube.objects import Object
from kube.timestamps import to_time

WORKERS = 8
BY_NODE = "node"
"""The index of instances by the node they are bound to; the unbound ones are under the empty string."""


class Scheduler:
    """Binds instances that have no node."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client: Client = context.client
        self._instances: Informer = context.informers[VIRTUAL_MACHINE_INSTANCE]
        self._nodes: Informer = context.informers[NODE]
        self._queue: WorkQueue[ObjectKey] = WorkQueue("scheduler", self.reconcile, workers=WORKERS)
        # Bindings being written: no worker may give the same room away twice before the informer knows.
        self._assumed: dict[ObjectKey, tuple[str, Resources]] = {}
        self._configuration = context.configuration.now
        self._ledger = Ledger(self._configuration)
        self._facts: dict[str, NodeFacts] = {}
        self._instances.add_handler(self._instance_changed)
        self._nodes.add_handler(self._node_changed)
        context.configuration.add_handler(self._configuration_changed)

    async def run(self) -> None:
        """Schedule until cancelled, once instances, nodes and the configuration are known."""
        await self._context.configuration.known()
        await self._instances.synced.wait()
        await self._nodes.synced.wait()
        await self._queue.run()

    async def reconcile(self, key: ObjectKey) -> None:
        """Find a node for one instance, or say why there is none."""
        instance = self._instances.get(key.name, key.namespace)
        if instance is None:
            return
        match decide(instance, list(self._facts.values()), self._used(), self._configuration):
            case Bind(node):
                await self._bind(key, instance, node)
            case Unschedulable(message):
                await self._tell(instance, message)
            case Release():
                patch = removing_finalizer(instance, INSTANCE_FINALIZER)
                await self._client.patch(VIRTUAL_MACHINE_INSTANCE, key.name, key.namespace, patch)
            case Nothing():
                pass

    def _used(self) -> dict[str, Resources]:
        used = {name: self._ledger.used(name) for name in self._facts}
        for node, amount in self._assumed.values():
            used[node] = used.get(node, Resources()) + amount
        return used

    async def _bind(self, key: ObjectKey, instance: Object, node: str) -> None:
        status = dict(instance.get("status", {}))
        entered = {"phase": "Scheduled", "phaseTransitionTimestamp": to_time(self._context.now())}
        status["nodeName"] = node
        status["phase"] = "Scheduled"
        status["phaseTransitionTimestamps"] = [*status.get("phaseTransitionTimestamps", ()), entered]
        status["conditions"] = remove_condition(status.get("conditions", ()), "PodScheduled")
        self._assumed[key] = (node, demand(instance, self._configuration))
        try:
            await self._write(instance, status)
        finally:
            del self._assumed[key]

    async def _tell(self, instance: Object, message: str) -> None:
        conditions = instance.get("status", {}).get("conditions", ())
        told = get_condition(conditions, "PodScheduled")
        if told is not None and told.get("message") == message:
            return
        new = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        conditions = set_condition(conditions, new, self._context.now())
        await self._write(instance, {**instance.get("status", {}), "conditions": conditions})
        self._context.events.warning(instance, "FailedScheduling", message)

    async def _write(self, instance: Object, status: Object) -> None:
        patch = status_patch(instance, status)
        if patch is None:
            return
        key = key_of(instance)
        written = await self._client.patch(
            VIRTUAL_MACHINE_INSTANCE, key.name, key.namespace, patch, subresource="status"
        )
        self._instances.observe(written)

    def _instance_changed(self, old: Object | None, new: Object | None) -> None:
        self._ledger.change(old, new)
        if new is not None and not node_of(new):
            self._queue.add(key_of(new))
        if old is not None and node_of(old) and (new is None or (is_final(new) and not is_final(old))):
            self._room_changed()

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        # Heartbeats change a node all the time; most change nothing about what fits where.
        facts = node_facts(new, self._configuration) if new is not None else None
        name = ((new or old) or {})["metadata"]["name"]
        if facts == self._facts.get(name):
            return
        self._facts.pop(name, None)
        if facts is not None:
            self._facts[name] = facts
        self._room_changed()

    def _configuration_changed(self) -> None:
        new = self._context.configuration.now
        if new.said == self._configuration.said:
            return
        self._configuration = new
        self._ledger = Ledger(new)
        for instance in self._instances.all():
            self._ledger.change(None, instance)
        nodes = (node_facts(node, new) for node in self._nodes.all())
        self._facts = {facts.name: facts for facts in nodes}
        self._room_changed()

    def _room_changed(self) -> None:
        for instance in self._instances.by_index(BY_NODE, ""):
            if not is_final(instance) and not is_terminating(instance):
                self._queue.add(key_of(instance))
