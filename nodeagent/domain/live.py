"""A running domain's XML, read back into the facts that an instance's status tells."""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from nodeagent.domain.alias import read_alias
from nodeagent.domain.channel import GUEST_AGENT

_UNITS = {"b": 1, "bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
"""The units in which libvirt itself writes memory, and the bytes they stand for."""


@dataclass(frozen=True, slots=True)
class LiveInterface:
    """An interface of the instance, as the domain has it."""

    name: str
    mac: str
    target: str
    """The host's device; empty in user mode."""
    kind: str
    """libvirt's type: ``network`` or ``user``."""
    link: str
    """``up`` or ``down``."""


@dataclass(frozen=True, slots=True)
class LiveDisk:
    """A disk of the instance, and the device name that its guest is likely to see."""

    name: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveDomain:
    """A domain as it runs."""

    emulated: bool
    """True when QEMU emulates the processors, without KVM."""
    machine: str
    """The versioned machine type, such as ``pc-q35-7.2``."""
    memory_bytes: int
    sockets: int
    cores: int
    threads: int
    interfaces: tuple[LiveInterface, ...]
    disks: tuple[LiveDisk, ...]
    agent_connected: bool
    """True while a guest agent has its channel open."""
    console: str
    """The path of the serial console's socket; empty where there is none."""
    screen: str
    """The path of the screen's socket, where VNC is spoken; empty where there is none."""


def read_domain(xml: str) -> LiveDomain:
    """Return the facts of ``virDomain.XMLDesc`` of a running domain of ours."""
    domain = ET.fromstring(xml)  # noqa: S314 - written by libvirt itself
    topology = domain.find("cpu/topology")
    counts = topology.attrib if topology is not None else {"sockets": domain.findtext("vcpu", "1")}
    agent = domain.find(f"devices/channel/target[@name='{GUEST_AGENT}']")
    os_type = domain.find("os/type")
    return LiveDomain(
        emulated=domain.get("type") == "qemu",
        machine=os_type.get("machine", "") if os_type is not None else "",
        memory_bytes=_bytes(domain.find("memory")),
        sockets=int(counts.get("sockets", 1)),
        cores=int(counts.get("cores", 1)),
        threads=int(counts.get("threads", 1)),
        interfaces=tuple(_interfaces(domain)),
        disks=tuple(_disks(domain)),
        agent_connected=agent is not None and agent.get("state") == "connected",
        console=_attribute(domain, "devices/serial[@type='unix']/source", "path"),
        screen=_attribute(domain, "devices/graphics[@type='vnc']", "socket"),
    )


def _interfaces(domain: ET.Element) -> Iterator[LiveInterface]:
    for found in domain.iterfind("devices/interface"):
        link = _attribute(found, "link", "state") or "up"
        target = _attribute(found, "target", "dev")
        yield LiveInterface(read_alias(found), _attribute(found, "mac", "address"), target, found.get("type", ""), link)


def _disks(domain: ET.Element) -> Iterator[LiveDisk]:
    for found in domain.iterfind("devices/disk"):
        yield LiveDisk(read_alias(found), _attribute(found, "target", "dev"))


def _attribute(element: ET.Element, path: str, attribute: str) -> str:
    found = element.find(path)
    return "" if found is None else found.get(attribute, "")


def _bytes(memory: ET.Element | None) -> int:
    if memory is None or not memory.text:
        return 0
    return int(memory.text) * _UNITS[memory.get("unit", "KiB")]
