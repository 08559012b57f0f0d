"""The agent in this process, against a real server over TLS, a real libvirtd and real QEMU guests that boot nothing."""

import asyncio
import contextlib
import os
import signal
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from certs.purposes import AGENT_SERVER, STREAMS
from client.api import Client
from client.configuration import LiveConfiguration
from client.informer import Informer
from client.kinds import EVENT, KUBEVIRT, NODE, SECRET, VIRTUAL_MACHINE_INSTANCE
from kube.conditions import get_condition
from kube.nodes import agent_address
from nodeagent.agent import Options, run
from nodeagent.host import read_host
from nodeagent.hypervisor.gateway import Hypervisor
from nodeagent.instance.controller import RETRY_SECONDS, WORKERS
from nodeagent.registration import ACCELERATION_LABEL, Registration
from nodeagent.streams import server as streams
from tests.server import NODE as NODE_NAME
from tests.server import running_server

if TYPE_CHECKING:
    from tests.libvirt_host import LibvirtHost

Object = dict[str, Any]
SECONDS = 40
FOREIGN = """
<domain type='qemu'>
  <name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
</domain>
"""


@dataclass
class Host:
    """A node: its agent, and what a test does with it as administrator, as scheduler, and as whoever runs libvirt."""

    client: Client
    controllers: Client
    instances: Informer
    hypervisor: Hypervisor
    libvirt: "LibvirtHost"
    options: Options
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    running: "asyncio.Task[None] | None" = None

    async def start(self, **changes: Any) -> None:
        """Start the agent, and wait until it is ready."""
        self.stop, ready = asyncio.Event(), asyncio.Event()
        self.running = asyncio.create_task(run(replace(self.options, **changes), self.stop, ready))
        async with asyncio.timeout(SECONDS):
            waiting = asyncio.create_task(ready.wait())
            await asyncio.wait({self.running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if self.running.done():
                await self.running

    async def end(self) -> None:
        """Stop the agent."""
        self.stop.set()
        if self.running is not None:
            async with asyncio.timeout(SECONDS):
                await self.running

    async def bind(self, name: str, **spec: Any) -> Object:
        """Create an instance and bind it to the node, as the scheduler does."""
        domain = {"memory": {"guest": "32Mi"}, "devices": {"autoattachPodInterface": False}} | spec.pop("domain", {})
        created = await self.client.create(
            VIRTUAL_MACHINE_INSTANCE,
            {"metadata": {"name": name, "namespace": "default"}, "spec": {"domain": domain, **spec}},
        )
        status = {"status": {"nodeName": NODE_NAME, "phase": "Scheduled"}}
        await self.controllers.patch(VIRTUAL_MACHINE_INSTANCE, name, "default", status, subresource="status")
        return created

    async def until(self, name: str, holds: Callable[[Object | None], bool], what: str) -> Any:
        """Return the instance as soon as ``holds`` of it; None stands for its absence."""
        found: Object | None = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                while not holds(found := self.instances.get(name, "default")):
                    self.changed.clear()
                    await self.changed.wait()
                return found
        raise AssertionError(f"never {what}: {found}")

    async def until_phase(self, name: str, phase: str) -> Object:
        return await self.until(name, lambda found: _phase(found) == phase, f"in phase {phase}")

    async def until_told(self, name: str, reason: str) -> str:
        """Return the message of the condition Synchronized as soon as it has this reason."""
        found = await self.until(name, lambda found: (_problem(found) or {}).get("reason") == reason, reason)
        return (_problem(found) or {})["message"]

    async def delete(self, name: str) -> None:
        await self.client.delete(VIRTUAL_MACHINE_INSTANCE, name, "default")
        await self.until(name, lambda found: found is None, "gone")

    async def event_reasons(self, name: str) -> set[str]:
        events = await self.client.list(EVENT, "default", field_selector=f"involvedObject.name={name}")
        return {each["reason"] for each in events["items"]}


def _phase(instance: Object | None) -> str:
    return (instance or {}).get("status", {}).get("phase", "")


def _problem(instance: Object | None) -> Object | None:
    return get_condition((instance or {}).get("status", {}).get("conditions", ()), "Synchronized")


@pytest.fixture
async def host(private_libvirt: "LibvirtHost", tmp_path: Path) -> AsyncIterator[Host]:
    # Not pytest's directory: every start of pytest closes that to QEMU's user again.
    with tempfile.TemporaryDirectory(prefix="virtplane-agent-", ignore_cleanup_errors=True) as own:
        async with (
            running_server(tmp_path) as server,
            Client.from_kubeconfig(server.kubeconfig("admin"), "tests") as client,
            Client.from_kubeconfig(server.kubeconfig("controllers"), "tests") as controllers,
            Hypervisor.open(private_libvirt.uri) as hypervisor,
        ):
            await hypervisor.connected.wait()
            options = Options(
                kubeconfig=server.kubeconfig("agent"),
                node_name=NODE_NAME,
                libvirt_uri=private_libvirt.uri,
                directory=Path(own) / "agent",
                images=Path(own) / "images",
                emulation="on",
                host_disk_directories=(),
                image_directories=(),
                insecure_registries=(),
                network="user",
                streams=streams.Options(
                    port=0, certificate=server.pki.pair(AGENT_SERVER.file), client_ca=server.pki.bundle(STREAMS)
                ),
            )
            instances = Informer(client, VIRTUAL_MACHINE_INSTANCE)
            host = Host(client, controllers, instances, hypervisor, private_libvirt, options)
            instances.add_handler(lambda _old, _new: host.changed.set())
            watching = asyncio.create_task(instances.run())
            try:
                yield host
            finally:
                await host.end()
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
                for domain in await hypervisor.owned():
                    await hypervisor.remove(domain.name)


async def test_the_node_is_registered_with_what_it_has(host: Host) -> None:
    await host.start()
    node = await host.client.get(NODE, NODE_NAME)
    ready = get_condition(node["status"]["conditions"], "Ready")
    assert ready is not None
    assert ready["status"] == "True"
    assert node["metadata"]["labels"]["kubevirt.io/schedulable"] == "true"
    assert int(node["status"]["capacity"]["cpu"]) == os.cpu_count()


async def test_the_node_tells_where_its_agent_serves_streams(host: Host) -> None:
    await host.start(address="127.0.0.1")
    address = agent_address(await host.client.get(NODE, NODE_NAME))
    assert address is not None
    assert address[0] == "127.0.0.1"
    _, writer = await asyncio.open_connection(*address)
    writer.close()
    await writer.wait_closed()


async def test_a_node_whose_libvirt_is_gone_is_not_ready_until_it_is_back(host: Host) -> None:
    await host.start()
    nodes, changed = Informer(host.client, NODE), asyncio.Event()
    nodes.add_handler(lambda _old, _new: changed.set())
    watching = asyncio.create_task(nodes.run())

    async def until_ready_is(status: str) -> None:
        async with asyncio.timeout(SECONDS):
            while True:
                changed.clear()
                node = nodes.get(NODE_NAME)
                ready = get_condition(node["status"]["conditions"], "Ready") if node is not None else None
                if ready is not None and ready["status"] == status:
                    return
                await changed.wait()

    try:
        await until_ready_is("True")
        await asyncio.to_thread(host.libvirt.end, signal.SIGKILL)
        await until_ready_is("False")
        host.libvirt.spawn()
        await until_ready_is("True")
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_an_instance_runs_and_its_deletion_leaves_nothing(host: Host) -> None:
    await host.start()
    created = await host.bind("plain", terminationGracePeriodSeconds=0)
    running = await host.until_phase("plain", "Running")
    phases = [each["phase"] for each in running["status"]["phaseTransitionTimestamps"]]
    assert phases[0] == "Pending"
    assert phases[-1] == "Running"
    assert get_condition(running["status"]["conditions"], "SoftwareEmulation") is not None
    await host.delete("plain")
    assert await host.hypervisor.find("default_plain") is None
    assert not (host.options.directory / "guests" / created["metadata"]["uid"]).exists()
    assert {"Started", "Stopped"} <= await host.event_reasons("plain")


async def test_a_guest_that_ends_while_no_agent_runs_is_told_by_the_next_one(host: Host) -> None:
    await host.start()
    await host.bind("unseen")
    await host.until_phase("unseen", "Running")
    await host.end()
    pid = int(next(host.libvirt.directory.rglob("default_unseen.pid")).read_text())
    os.kill(pid, signal.SIGKILL)
    await host.start()
    await host.until_phase("unseen", "Failed")
    await host.delete("unseen")


async def test_a_restarted_agent_adopts_what_runs(host: Host) -> None:
    await host.start()
    await host.bind("adopted", terminationGracePeriodSeconds=0)
    await host.until_phase("adopted", "Running")
    await host.end()
    before = next(host.libvirt.directory.rglob("default_adopted.pid")).read_text()
    await host.start()
    await host.until_phase("adopted", "Running")
    assert next(host.libvirt.directory.rglob("default_adopted.pid")).read_text() == before
    await host.delete("adopted")


async def test_a_guest_whose_instance_was_deleted_meanwhile_is_ended(host: Host) -> None:
    await host.start()
    created = await host.bind("orphan")
    await host.until_phase("orphan", "Running")
    await host.end()
    await host.client.patch(VIRTUAL_MACHINE_INSTANCE, "orphan", "default", {"metadata": {"finalizers": None}})
    await host.client.delete(VIRTUAL_MACHINE_INSTANCE, "orphan", "default")
    await host.until("orphan", lambda found: found is None, "gone")
    gone = asyncio.Event()
    host.hypervisor.add_handler(lambda _: gone.set())
    await host.start()
    async with asyncio.timeout(SECONDS):
        while True:
            gone.clear()
            if await host.hypervisor.find("default_orphan") is None:
                break
            await gone.wait()
    assert not (host.options.directory / "guests" / created["metadata"]["uid"] / "run").exists()


async def test_a_domain_that_is_not_ours_is_left_alone_and_told(host: Host) -> None:
    await host.hypervisor.start(FOREIGN.format(name="default_taken", uuid=uuid.uuid4()))
    try:
        await host.start()
        await host.bind("taken")
        assert "default_taken" in await host.until_told("taken", "DomainNameTaken")
        await host.delete("taken")
        found = await host.hypervisor.find("default_taken")
        assert found is not None
        assert found.is_alive
    finally:
        await host.hypervisor.remove("default_taken")


async def test_a_missing_secret_is_told_and_awaited(host: Host) -> None:
    await host.start()
    volume = {"name": "seed", "cloudInitNoCloud": {"secretRef": {"name": "seed"}}}
    await host.bind("waiting", volumes=[volume], terminationGracePeriodSeconds=0)
    assert "seed" in await host.until_told("waiting", "MissingSecret")
    secret = {"metadata": {"name": "seed", "namespace": "default"}, "stringData": {"userdata": "#cloud-config"}}
    await host.client.create(SECRET, secret)
    running = await host.until_phase("waiting", "Running")
    assert _problem(running) is None
    await host.delete("waiting")


async def test_an_instance_that_waits_for_its_image_can_be_deleted(host: Host) -> None:
    await host.start()
    image = {"image": "registry.invalid/none:1", "imagePullPolicy": "Never"}
    await host.bind("pulling", volumes=[{"name": "root", "containerDisk": image}])
    assert "registry.invalid/none:1" in await host.until_told("pulling", "ErrImageNeverPull")
    await host.delete("pulling")


async def test_a_pull_that_hangs_is_given_up_when_the_instance_is_deleted(host: Host) -> None:
    asked, held = asyncio.Event(), asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await held.wait()
        writer.close()

    registry = await asyncio.start_server(hang, "127.0.0.1", 0)
    address = f"127.0.0.1:{registry.sockets[0].getsockname()[1]}"
    try:
        await host.start(insecure_registries=(address,))
        await host.bind("hanging", volumes=[{"name": "root", "containerDisk": {"image": f"{address}/slow:1"}}])
        async with asyncio.timeout(SECONDS):
            await asked.wait()
        await host.delete("hanging")
    finally:
        held.set()
        registry.close()


async def test_what_this_node_cannot_provide_fails_with_the_field(host: Host) -> None:
    await host.start()
    cpu = {"model": "no-such-model"}
    await host.bind("special", domain={"cpu": cpu})
    failed = await host.until_phase("special", "Failed")
    problem = _problem(failed)
    assert problem is not None
    assert "no-such-model" in problem["message"]
    await host.delete("special")


async def test_a_guest_that_would_lack_what_it_asks_for_is_not_started(host: Host) -> None:
    await host.start()
    await host.bind("trusted", domain={"devices": {"autoattachPodInterface": False, "tpm": {}}})
    problem = _problem(await host.until_phase("trusted", "Failed"))
    assert problem is not None
    assert problem["reason"] == "Unsupported"
    assert "spec.domain.devices.tpm: node agents cannot provide a TPM yet" in problem["message"]
    await host.delete("trusted")


async def test_user_mode_networking_needs_no_network_of_libvirt(host: Host) -> None:
    await host.start()
    domain = {"memory": {"guest": "32Mi"}, "devices": {"interfaces": [{"name": "default", "masquerade": {}}]}}
    await host.bind("net", domain=domain, networks=[{"name": "default", "pod": {}}], terminationGracePeriodSeconds=0)
    running = await host.until_phase("net", "Running")
    (interface,) = running["status"]["interfaces"]
    assert interface["name"] == "default"
    assert "<interface type='user'" in await host.hypervisor.live_xml("default_net")
    await host.delete("net")


async def test_a_paused_start_stays_paused_and_says_so(host: Host) -> None:
    await host.start()
    await host.bind("paused", startStrategy="Paused", terminationGracePeriodSeconds=0)
    running = await host.until_phase("paused", "Running")
    paused = get_condition(running["status"]["conditions"], "Paused")
    assert paused is not None
    assert paused["reason"] == "PausedByUser"
    await host.delete("paused")


async def test_pulls_that_hang_keep_no_other_guest_waiting(host: Host) -> None:
    many = WORKERS + 1
    held = asyncio.Event()
    asked = asyncio.Semaphore(0)

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.release()
        await held.wait()
        writer.close()

    registry = await asyncio.start_server(hang, "127.0.0.1", 0)
    address = f"127.0.0.1:{registry.sockets[0].getsockname()[1]}"
    try:
        await host.start(insecure_registries=(address,))
        for number in range(many):
            image = {"image": f"{address}/slow{number}:1"}
            await host.bind(f"slow{number}", volumes=[{"name": "root", "containerDisk": image}])
        async with asyncio.timeout(SECONDS):
            for _ in range(many):
                await asked.acquire()
        await host.bind("quick", terminationGracePeriodSeconds=0)
        await host.until_phase("quick", "Running")
        for name in ("quick", *(f"slow{number}" for number in range(many))):
            await host.delete(name)
    finally:
        held.set()
        registry.close()


async def test_failures_that_differ_each_time_are_not_tried_again_at_once(host: Host) -> None:
    asked: list[float] = []
    twice = asyncio.Event()

    async def fail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.append(asyncio.get_running_loop().time())
        writer.write(f"HTTP/1.1 500 Number {len(asked)}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        if len(asked) == 2:
            twice.set()

    registry = await asyncio.start_server(fail, "127.0.0.1", 0)
    address = f"127.0.0.1:{registry.sockets[0].getsockname()[1]}"
    try:
        await host.start(insecure_registries=(address,))
        await host.bind("failing", volumes=[{"name": "root", "containerDisk": {"image": f"{address}/broken:1"}}])
        async with asyncio.timeout(SECONDS):
            await twice.wait()
        assert asked[1] - asked[0] >= RETRY_SECONDS
        await host.delete("failing")
    finally:
        registry.close()


async def test_the_node_tells_of_kvm_only_while_guests_may_use_it(host: Host) -> None:
    kubevirts = Informer(host.client, KUBEVIRT)
    configuration = LiveConfiguration(kubevirts)
    emulating = asyncio.Event()
    configuration.add_handler(lambda: emulating.set() if configuration.now.use_emulation else None)
    watching = asyncio.create_task(kubevirts.run())
    try:
        await configuration.known()
        registration = Registration(
            host.client, NODE_NAME, await read_host(), host.hypervisor, configuration, kvm=True, port=1
        )
        node = await registration.register()
        assert node["metadata"]["labels"][ACCELERATION_LABEL] == "kvm"
        await configure(host, developerConfiguration={"useEmulation": True})
        async with asyncio.timeout(SECONDS):
            await emulating.wait()
        node = await registration.register()
        assert node["metadata"]["labels"][ACCELERATION_LABEL] == "emulation"
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def configure(host: Host, **said: Any) -> None:
    """Create the KubeVirt object."""
    metadata = {"name": "kubevirt", "namespace": "virtplane"}
    await host.client.create(KUBEVIRT, {"metadata": metadata, "spec": {"configuration": said}})


async def test_a_change_of_the_configuration_shows_in_the_next_guest(host: Host) -> None:
    await host.start()
    await host.bind("before", terminationGracePeriodSeconds=0)
    await host.until_phase("before", "Running")
    await configure(host, smbios={"manufacturer": "Example Ltd"})
    await host.bind("after", terminationGracePeriodSeconds=0)
    await host.until_phase("after", "Running")
    assert [_maker(host, name) for name in ("before", "after")] == ["KubeVirt", "Example Ltd"]
    for name in ("before", "after"):
        await host.delete(name)


def _maker(host: Host, name: str) -> str | None:
    """Who made the machine, as libvirt has it in the definition that it keeps."""
    definition = next(host.libvirt.directory.rglob(f"qemu/default_{name}.xml"))
    root = ET.fromstring(definition.read_text())  # noqa: S314 - written by libvirt itself
    return root.findtext("sysinfo/system/entry[@name='manufacturer']")
