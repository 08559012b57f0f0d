"""The agent process: connects to libvirt and to the API, registers its node, and runs the instances bound to it."""

import asyncio
import hashlib
import platform
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import structlog

from certs.bootstrap import Pki
from client.api import Client
from client.configuration import LiveConfiguration
from client.events import EventRecorder
from client.informer import Informer
from client.kinds import KUBEVIRT, VIRTUAL_MACHINE_INSTANCE
from client.running import until
from nodeagent.domain.facts import HostFacts
from nodeagent.enrolment.equipping import equip
from nodeagent.enrolment.renewal import Renewal
from nodeagent.enrolment.requesting import Enrolment
from nodeagent.host import read_host
from nodeagent.hypervisor.gateway import Hypervisor
from nodeagent.hypervisor.kvm import kvm_works
from nodeagent.hypervisor.passage import qemu_user
from nodeagent.instance.controller import InstanceController
from nodeagent.instance.node import Node
from nodeagent.instance.workspace import Workspaces
from nodeagent.network.pod_network import Mode, PodNetwork
from nodeagent.registration import Registration
from nodeagent.streams.server import Options as StreamOptions
from nodeagent.streams.server import serving
from nodeagent.volumes.images import ImageStore
from nodeagent.volumes.prepare import Volumes

COMPONENT = "virtplane-agent"

log = structlog.get_logger(__name__)


class AccelerationError(Exception):
    """KVM is demanded and does not work on this host; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run an agent."""

    kubeconfig: Path | None
    """None for the ServiceAccount of the pod."""
    node_name: str
    pki: Path | None = None
    """Where certificates are that the agent looks after itself; None where somebody else does."""
    kubelet: bool = False
    """True in a pod: the Node is the kubelet's then, and the agent calls the API by a token."""
    libvirt_uri: str
    directory: Path
    """Where guests have their files, and the agent its own."""
    images: Path
    """The node's store of container images."""
    emulation: str
    """``on`` emulates processors, ``off`` demands KVM, ``auto`` uses KVM where a probe shows that it works."""
    host_disk_directories: tuple[Path, ...]
    image_directories: tuple[Path, ...]
    insecure_registries: tuple[str, ...]
    network: str
    """``auto``, ``nat`` or ``user``: see :class:`nodeagent.network.pod_network.Mode`."""
    address: str = ""
    """The address of this host for others, at which streams are served; found out when empty."""
    streams: StreamOptions


async def run(options: Options, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
    """Run the agent until ``stop`` is set; set ``ready`` once it runs instances. Guests are not touched at the end.

    Raises PassageError when QEMU cannot be let to its files, AccelerationError when KVM is demanded and does not work.
    """
    async with (
        Client.from_kubeconfig(options.kubeconfig, "virtplane-agent") as client,
        Hypervisor.open(options.libvirt_uri) as hypervisor,
    ):
        await until(stop, _work(options, client, hypervisor, ready or asyncio.Event()))
    log.info("agent stopped")


async def _work(options: Options, client: Client, hypervisor: Hypervisor, ready: asyncio.Event) -> None:
    kvm = await _use_kvm(options)
    host = await read_host(options.address)
    await hypervisor.connected.wait()
    capabilities = await hypervisor.capabilities()
    workspaces = await _workspaces(options, qemu_user(capabilities))
    network = PodNetwork(hypervisor, suffix=_suffix(options.directory), mode=Mode(options.network))
    await network.open()
    kubevirts = Informer(client, KUBEVIRT)
    configuration = LiveConfiguration(kubevirts)
    events = EventRecorder(client, COMPONENT, host=options.node_name)
    bound = f"status.nodeName={options.node_name}"
    instances = Informer(client, VIRTUAL_MACHINE_INSTANCE, field_selector=bound)
    renewal = await _renewal(options, client, kubevirts)
    async with serving(host.address, options.streams, hypervisor) as port, asyncio.TaskGroup() as group:
        group.create_task(hypervisor.failed(), name="hypervisor")
        group.create_task(kubevirts.run(), name="informer-kubevirts")
        await configuration.known()
        registration = Registration(
            client, options.node_name, host, hypervisor, configuration, kvm=kvm, port=port, kubelet=options.kubelet
        )
        own = await registration.register()
        if renewal is not None:
            group.create_task(renewal.run(), name="renewal")
        node = Node(
            host=HostFacts(
                arch=platform.machine() if hypervisor.driver.pretends else _architecture(capabilities),
                kvm=kvm,
                node=own["metadata"]["uid"],
                emulation=hypervisor.driver.emulation,
            ),
            configuration=configuration,
            hypervisor=hypervisor,
            workspaces=workspaces,
            network=network,
        )
        controller = InstanceController(client, instances, events, node)
        group.create_task(events.run(), name="events")
        group.create_task(registration.run(), name="registration")
        group.create_task(instances.run(), name="informer")
        group.create_task(controller.run(), name="instances")
        await instances.synced.wait()
        log.info("agent running", node=options.node_name, kvm=kvm)
        ready.set()


async def _renewal(options: Options, client: Client, kubevirts: Informer) -> Renewal | None:
    """Return what keeps the agent's own certificates current, once there are some; None where somebody else does."""
    if options.pki is None:
        return None
    pki, node = Pki(options.pki), options.node_name
    enrolment = Enrolment.in_pod(node) if options.kubelet else Enrolment.joined(node)
    await equip(client, pki, enrolment)
    return Renewal(client, pki, node, enrolment, kubevirts)


async def _workspaces(options: Options, user: int | None) -> Workspaces:
    """Make the directories of guests, which run as ``user``."""
    guests = options.directory / "guests"
    images = ImageStore(options.images, options.image_directories, insecure_registries=options.insecure_registries)
    await images.discard_unfinished()
    volumes = Volumes(guests, images, options.host_disk_directories)
    workspaces = Workspaces(guests, volumes, images.unpacked, user)
    await workspaces.open()
    return workspaces


async def _use_kvm(options: Options) -> bool:
    if options.emulation == "on":
        return False
    verdict = await kvm_works(options.directory / "kvm.json")
    if verdict.works:
        return True
    if options.emulation == "off":
        raise AccelerationError(f"KVM does not work on this host: {verdict.why}. Emulation is switched off.")
    log.warning("KVM does not work: processors are emulated, which is slow", why=verdict.why)
    return False


def _architecture(capabilities: str) -> str:
    """Return the host's architecture by libvirt's name."""
    found = ET.fromstring(capabilities).findtext("host/cpu/arch")  # noqa: S314 - written by libvirt itself
    return found or platform.machine()


def _suffix(directory: Path) -> str:
    """Return what tells this installation from others on the same host."""
    return hashlib.sha256(str(directory).encode()).hexdigest()[:8]
