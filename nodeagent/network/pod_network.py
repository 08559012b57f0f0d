"""The pod network: a private network of the node behind NAT, or QEMU's own user-mode network.

libvirt's side of it: https://libvirt.org/formatnetwork.html.
"""

import asyncio
from collections.abc import Iterable
from enum import StrEnum
from ipaddress import IPv4Network
from xml.etree import ElementTree as ET

import structlog

from kube.objects import Object
from nodeagent.domain.interface import Attached, NetworkAttachment, UserAttachment
from nodeagent.hypervisor.errors import HypervisorError, HypervisorUnavailableError
from nodeagent.hypervisor.gateway import Hypervisor
from nodeagent.network.routes import libvirt_networks, routed_networks

_FIRST_GUEST = 2
_CANDIDATES = (IPv4Network("10.0.0.0/8"), IPv4Network("192.168.0.0/16"))
_USUAL_START = IPv4Network("10.0.64.0/24")  # above what home routers and 10.0.2.0/24 (QEMU's own) take

log = structlog.get_logger(__name__)


class Mode(StrEnum):
    """How guests reach the world."""

    AUTO = "auto"
    """NAT where libvirt may do that, otherwise user mode."""
    NAT = "nat"
    USER = "user"


class NetworkError(Exception):
    """An interface or the network cannot be provided on this node; the message says what to change."""


class PodNetwork:
    """The network that guests' interfaces on the pod network are attached to."""

    def __init__(self, hypervisor: Hypervisor, *, suffix: str, mode: Mode) -> None:
        """``suffix`` tells apart what several installations make on one host; at most 12 characters."""
        self._hypervisor = hypervisor
        self._name = f"virtplane-{suffix}"
        self._bridge = f"vp-{suffix}"
        self._mode = mode
        self._opening = asyncio.Lock()
        self._failure: str | None = None if mode != Mode.USER else "user mode is configured"

    @property
    def is_nat(self) -> bool:
        """True while guests are behind libvirt's NAT, False in user mode."""
        return self._failure is None

    async def open(self) -> None:
        """Have libvirt run the network; fall back to user mode where it may not. Safe to call again at any time."""
        if self._mode == Mode.USER:
            return
        try:
            async with self._opening:
                await self._ensure()
        except HypervisorUnavailableError:
            raise
        except (HypervisorError, NetworkError) as error:
            self._failure = str(error)
            fallback = "guests get user-mode networking" if self._mode == Mode.AUTO else "guests cannot start"
            log.warning("no NAT network", network=self._name, why=self._failure, consequence=fallback)
        else:
            self._failure = None

    async def attach(self, instance: Object) -> dict[str, Attached]:
        """Return how each interface of an instance is attached, by its name.

        A network that somebody stopped meanwhile is started again. Raises NetworkError, HypervisorUnavailableError.
        """
        interfaces = instance["spec"]["domain"].get("devices", {}).get("interfaces", ())
        if self.is_nat and any("masquerade" in each for each in interfaces):
            await self.open()
        return {each["name"]: self._attached(each) for each in interfaces}

    def _attached(self, interface: Object) -> Attached:
        match interface:
            case {"masquerade": dict()} if self.is_nat:
                return NetworkAttachment(self._name)
            case {"masquerade": dict()} if self._mode == Mode.NAT:
                raise NetworkError(f"the network of this node does not run: {self._failure}")
            case {"masquerade": dict()} | {"slirp": dict()} | {"binding": {"name": "slirp"}}:
                return UserAttachment()
            case _:
                name = interface["name"]
                raise NetworkError(f"the interface {name} needs the binding masquerade: no other is known")

    async def _ensure(self) -> None:
        if await self._hypervisor.network(self._name) is not None:
            return
        taken = [*await routed_networks(), *libvirt_networks(await self._hypervisor.networks())]
        subnet = choose_subnet(taken)
        await self._hypervisor.add_network(network_xml(self._name, self._bridge, subnet))
        log.info("made the network of guests", network=self._name, subnet=str(subnet))


def choose_subnet(taken: Iterable[IPv4Network]) -> IPv4Network:
    """Return the first private /24 that overlaps none of ``taken``: the host's routes and other networks.

    Raises:
        NetworkError: Every private network is taken.
    """
    # A default route covers everything and says nothing about what is in use.
    used = [network for network in taken if network.prefixlen > 0]
    for block in _CANDIDATES:
        for subnet in block.subnets(new_prefix=24):
            fits = subnet >= _USUAL_START and subnet.network_address.packed[2] != 0
            if fits and not any(subnet.overlaps(other) for other in used):
                return subnet
    raise NetworkError("every private /24 overlaps a route of this node: free one, or configure user mode")


def network_xml(name: str, bridge: str, subnet: IPv4Network) -> str:
    """Return libvirt's XML of a NAT network: the node has the subnet's first address, guests get theirs by DHCP."""
    network = ET.Element("network")
    ET.SubElement(network, "name").text = name
    ET.SubElement(network, "forward", mode="nat")
    ET.SubElement(network, "bridge", name=bridge, stp="on", delay="0")
    own = ET.SubElement(network, "ip", address=str(subnet[1]), netmask=str(subnet.netmask))
    dhcp = ET.SubElement(own, "dhcp")
    ET.SubElement(dhcp, "range", start=str(subnet[_FIRST_GUEST]), end=str(subnet[-2]))
    return ET.tostring(network, encoding="unicode")
