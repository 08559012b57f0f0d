"""The loop that makes libvirt agree with the instances bound to this node: gather, ask :mod:`decide`, act once."""

import asyncio
from dataclasses import dataclass

import structlog

from client.api import Client
from client.errors import if_found
from client.events import EventRecorder
from client.informer import Informer
from client.kinds import VIRTUAL_MACHINE_INSTANCE
from client.store import ObjectKey, key_of
from client.workqueue import WorkQueue
from kube.instances import INSTANCE_FINALIZER, is_final, phase_of
from kube.metadata import is_terminating, removing_finalizer, status_patch
from kube.objects import Object
from kube.timestamps import utc_now
from nodeagent.domain.facts import UnsupportedError
from nodeagent.domain.identity import Identity, domain_name
from nodeagent.hypervisor.errors import HypervisorError, HypervisorUnavailableError
from nodeagent.hypervisor.passage import PassageError
from nodeagent.hypervisor.state import Domain, Reason, State
from nodeagent.instance.decide import (
    Action,
    NameTaken,
    Release,
    Remove,
    Report,
    ReportEnd,
    ShutDown,
    Start,
    SwitchOff,
    decide,
)
from nodeagent.instance.guest import look
from nodeagent.instance.node import Node
from nodeagent.instance.preparation import Preparations
from nodeagent.instance.status import Problem, Seen, blocked_status, ended_status, phase_after, running_status
from nodeagent.network.pod_network import NetworkError
from nodeagent.volumes.prepared import VolumeError

WORKERS = 16
ASK_AGAIN_SECONDS = 3.0
"""A guest that is still booting misses the power button, so it is pressed again."""
RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0
SETTLING_SECONDS = 1.0
"""How often to look while a guest that has started has no address yet."""
SETTLING_LOOKS = 60
STEADY_SECONDS = 30.0
"""How often to look for what no event tells: addresses, and what the guest agent knows."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Failed:
    """A guest that could not be started: how often in a row, and when to try again, by the event loop's clock."""

    times: int
    again: float


class InstanceController:
    """Reconciles every instance bound to this node, and every domain of ours that has none."""

    def __init__(self, client: Client, instances: Informer, events: EventRecorder, node: Node) -> None:
        """``instances`` holds those bound to this node, and no others."""
        self._client = client
        self._instances = instances
        self._events = events
        self._node = node
        self._hypervisor = node.hypervisor
        self._queue: WorkQueue[ObjectKey] = WorkQueue("instance", self.reconcile, workers=WORKERS)
        self._preparations = Preparations(client, node, self._queue.add)
        self._failures: dict[str, Failed] = {}
        self._looks: dict[str, int] = {}
        self._resync = asyncio.Event()
        instances.add_handler(self._instance_changed)
        self._hypervisor.add_handler(self._domain_changed)

    async def run(self) -> None:
        """Reconcile until cancelled, once the instances are known."""
        await self._instances.synced.wait()
        await self._sweep()
        self._resync.set()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._queue.run(), name="instances")
                group.create_task(self._look_everywhere(), name="instances-resync")
        finally:
            await self._preparations.close()

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Take the one next step for one instance. Returns the seconds after which to look again, if any."""
        await self._hypervisor.connected.wait()
        try:
            domain = await self._hypervisor.find(domain_name(key.namespace, key.name))
            instance = self._instances.get(key.name, key.namespace)
            action = decide(instance, domain, self._node.host.node, utc_now())
            return await self._take(action, instance, domain)
        except HypervisorError as error:
            log.warning("libvirt refused, will retry", instance=str(key), error=str(error))
            return RETRY_SECONDS

    async def _take(self, action: Action, instance: Object | None, domain: Domain | None) -> float | None:
        match action:
            case Remove(uid):
                return await self._remove(uid, instance, domain)
            case Start() if instance is not None:
                return await self._start(instance)
            case Report() if instance is not None and domain is not None:
                return await self._report(instance, domain)
            case ReportEnd(reason) if instance is not None:
                return await self._report_end(instance, reason)
            case ShutDown(seconds) if instance is not None and domain is not None:
                return await self._shut_down(instance, domain, seconds)
            case SwitchOff() if domain is not None:
                await self._hypervisor.destroy(domain.name)
                return 0
            case Release() if instance is not None:
                return await self._release(instance)
            case NameTaken() if instance is not None:
                name = domain_name(*key_of(instance))
                message = f"libvirt on this node has a domain {name} that is not Virtplane's: rename or undefine it"
                return await self._blocked(instance, Problem("DomainNameTaken", message), final=False)
            case _:
                return None

    # --- starting -------------------------------------------------------------------------------

    async def _start(self, instance: Object) -> float | None:
        if (wait := self._seconds_to_wait(instance)) > 0:
            return wait
        try:
            xml = self._preparations.result(instance)
            if xml is None:
                return None
            await self._hypervisor.start(xml, paused=instance["spec"].get("startStrategy") == "Paused")
        except VolumeError as error:
            return await self._blocked(instance, Problem(error.reason, error.message), final=not error.retryable)
        except (UnsupportedError, NetworkError) as error:
            return await self._blocked(instance, Problem("Unsupported", str(error)), final=True)
        except PassageError as error:
            return await self._blocked(instance, Problem("StateDirectoryNotReachable", str(error)), final=False)
        except HypervisorUnavailableError:
            raise
        except HypervisorError as error:
            message = f"libvirt could not start the guest: {error}"
            return await self._blocked(instance, Problem("StartFailed", message), final=True)
        self._failures.pop(instance["metadata"]["uid"], None)
        # Told at once: in the queue it would come behind every other guest that waits to be started.
        domain = await self._hypervisor.find(domain_name(*key_of(instance)))
        return await self._report(instance, domain) if domain is not None and domain.is_alive else 0

    def _seconds_to_wait(self, instance: Object) -> float:
        """Return how long the instance is not to be tried again; whatever else happens to it does not shorten that."""
        failed = self._failures.get(instance["metadata"]["uid"])
        return failed.again - asyncio.get_running_loop().time() if failed is not None else 0

    async def _blocked(self, instance: Object, problem: Problem, *, final: bool) -> float | None:
        """Tell why the guest cannot start. Returns when to try again; never when only another spec can help."""
        log.warning("cannot start", instance=str(key_of(instance)), reason=problem.reason, message=problem.message)
        self._events.warning(instance, problem.reason, problem.message)
        uid = instance["metadata"]["uid"]
        before = self._failures.pop(uid, None)
        delay = None
        if not final:
            times = before.times if before is not None else 0
            delay = min(RETRY_SECONDS * 2 ** min(times, 10), LONGEST_RETRY_SECONDS)
            self._failures[uid] = Failed(times + 1, asyncio.get_running_loop().time() + delay)
        await self._write(instance, blocked_status(instance, problem, utc_now(), final=final))
        return delay

    # --- running and ending ---------------------------------------------------------------------

    async def _report(self, instance: Object, domain: Domain) -> float:
        uid = instance["metadata"]["uid"]
        seen = await look(self._hypervisor, domain)
        await self._write(instance, running_status(instance, seen, utc_now()))
        if phase_of(instance) != "Running":
            # Told once it is written: a conflict brings us here again.
            self._looks[uid] = 0
            self._events.normal(instance, "Started", "VirtualMachineInstance started.")
        looks = self._looks[uid] = self._looks.get(uid, 0) + 1
        settled = _has_addresses(seen) or looks > SETTLING_LOOKS or domain.state == State.PAUSED
        return STEADY_SECONDS if settled else SETTLING_SECONDS

    async def _report_end(self, instance: Object, reason: Reason) -> float:
        await self._write(instance, ended_status(instance, reason, utc_now()))
        log.info("guest ended", instance=str(key_of(instance)), reason=str(reason))
        if phase_after(instance, reason) == "Succeeded":
            self._events.normal(instance, "Stopped", "The VirtualMachineInstance was shut down.")
        else:
            self._events.warning(instance, "Stopped", f"The guest ended unexpectedly: {reason}.")
        return 0

    async def _shut_down(self, instance: Object, domain: Domain, seconds: float) -> float:
        self._events.normal(instance, "ShuttingDown", "Signaled Graceful Shutdown")
        await self._hypervisor.shut_down(domain.name)
        return min(seconds, ASK_AGAIN_SECONDS)

    async def _remove(self, uid: str, instance: Object | None, domain: Domain | None) -> float | None:
        if domain is not None:
            log.info("removing domain", domain=domain.name, uid=uid)
            await self._hypervisor.destroy(domain.name)
        await self._discard(uid)
        if domain is not None:
            # Last: as long as it is known, an agent that was interrupted knows what is left to remove.
            await self._hypervisor.remove(domain.name)
        return None if instance is None else 0

    async def _release(self, instance: Object) -> None:
        """Let the object go: nothing of it is left here."""
        key = key_of(instance)
        await self._discard(instance["metadata"]["uid"])
        patch = removing_finalizer(instance, INSTANCE_FINALIZER)
        written = await if_found(self._client.patch(VIRTUAL_MACHINE_INSTANCE, key.name, key.namespace, patch))
        if written is not None:
            self._instances.observe(written)

    async def _discard(self, uid: str) -> None:
        await self._preparations.forget(uid)
        await self._node.workspaces.discard(uid)
        self._failures.pop(uid, None)
        self._looks.pop(uid, None)

    async def _write(self, instance: Object, status: Object) -> None:
        """Bring the status up to date, if it is not."""
        if (patch := status_patch(instance, status)) is None:
            return
        key = key_of(instance)
        written = await self._client.patch(
            VIRTUAL_MACHINE_INSTANCE, key.name, key.namespace, patch, subresource="status"
        )
        self._instances.observe(written)

    # --- what sets it going ---------------------------------------------------------------------

    def _instance_changed(self, old: Object | None, new: Object | None) -> None:
        changed = new or old
        if changed is None:
            return
        if new is None or is_terminating(new) or is_final(new):
            self._preparations.cancel(changed["metadata"]["uid"])
        self._queue.add(key_of(changed))

    def _domain_changed(self, name: str | None) -> None:
        if name is None:
            self._resync.set()
            return
        namespace, separator, instance = name.partition("_")
        if separator:
            self._queue.add(ObjectKey(namespace, instance))

    async def _look_everywhere(self) -> None:
        """After a start, and after every lost connection, events may have been missed: look at everything."""
        while True:
            await self._resync.wait()
            self._resync.clear()
            try:
                await self._node.network.open()
                owned = await self._owned()
            except HypervisorError as error:
                log.warning("cannot list domains, will retry", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
                self._resync.set()
                continue
            for identity in owned:
                self._queue.add(ObjectKey(identity.namespace, identity.name))
            for instance in self._instances.all():
                self._queue.add(key_of(instance))

    async def _sweep(self) -> None:
        """Remove what guests left behind that ended and were deleted while no agent ran."""
        try:
            owned = {each.uid for each in await self._owned()}
        except HypervisorError as error:
            log.warning("cannot list domains: what old guests left behind stays", error=str(error))
            return
        bound = {each["metadata"]["uid"] for each in self._instances.all()}
        await self._node.workspaces.discard_others(bound | owned)

    async def _owned(self) -> list[Identity]:
        """Return the identities of our domains. Raises HypervisorError."""
        await self._hypervisor.connected.wait()
        found = [each.identity for each in await self._hypervisor.owned() if each.identity is not None]
        return [each for each in found if each.node == self._node.host.node]


def _has_addresses(seen: Seen) -> bool:
    return all(each.mac in seen.addresses for each in seen.live.interfaces)
