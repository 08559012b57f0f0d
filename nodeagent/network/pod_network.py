"""The pod network: a private network of the node behind NAT, or QEMU's own user-mode network.

Pure functions from facts to a decision or to libvirt's XML: https://libvirt.org/formatnetwork.html.
"""

from collections.abc import Iterable
from enum import StrEnum
from ipaddress import IPv4Network
from xml.etree import ElementTree as ET

_FIRST_GUEST = 2
_CANDIDATES = (IPv4Network("10.0.0.0/8"), IPv4Network("192.168.0.0/16"))
_USUAL_START = IPv4Network("10.0.64.0/24")  # above what home routers and 10.0.2.0/24 (QEMU's own) take


class Attachment(StrEnum):
    """How a guest's interface reaches the world."""

    NETWORK = "network"  # libvirt's NAT network, with an address that the node can reach
    USER = "user"  # inside QEMU: needs no privilege, and nobody can reach the guest


class NetworkError(Exception):
    """An interface cannot be provided on this node; the message says what to change."""


def choose_subnet(taken: Iterable[IPv4Network]) -> IPv4Network:
    """The first private /24 that overlaps none of ``taken``: the host's routes and other networks.

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
    raise NetworkError("every private /24 overlaps a route of this node: free one, or configure a subnet")


def choose_interface(interface: dict[str, object], *, nat_available: bool) -> Attachment:
    """How to attach one interface of a VMI.

    Masquerade is NAT on the node; where the node may not do that, QEMU's user-mode network gives the guest
    the same view. ``slirp`` is the user-mode network by its old name.

    Raises:
        NetworkError: The binding needs what this node does not have.
    """
    match interface:
        case {"masquerade": dict()}:
            return Attachment.NETWORK if nat_available else Attachment.USER
        case {"slirp": dict()}:
            return Attachment.USER
        case _:
            raise NetworkError(
                f"the interface {interface.get('name')} needs a binding of masquerade: others are unknown"
            )


def network_xml(name: str, bridge: str, subnet: IPv4Network) -> str:
    """Libvirt's XML of a NAT network: the node has the subnet's first address, guests get theirs by DHCP."""
    network = ET.Element("network")
    ET.SubElement(network, "name").text = name
    ET.SubElement(network, "forward", mode="nat")
    ET.SubElement(network, "bridge", name=bridge, stp="on", delay="0")
    own = ET.SubElement(network, "ip", address=str(subnet[1]), netmask=str(subnet.netmask))
    dhcp = ET.SubElement(own, "dhcp")
    ET.SubElement(dhcp, "range", start=str(subnet[_FIRST_GUEST]), end=str(subnet[-2]))
    return ET.tostring(network, encoding="unicode")
