"""Which IPv4 networks are in use on this host: its routes, and the networks that libvirt runs."""

import asyncio
import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from xml.etree import ElementTree as ET

_ROUTES = Path("/proc/net/route")


async def routed_networks() -> list[IPv4Network]:
    """Return the destinations of the host's routing table (proc(5)); the default route counts as 0.0.0.0/0."""
    return list(read_routes(await asyncio.to_thread(_ROUTES.read_text)))


def read_routes(table: str) -> Iterator[IPv4Network]:
    """Yield the destinations in the text of ``/proc/net/route``: hexadecimal numbers in the host's byte order."""
    for line in table.splitlines()[1:]:
        columns = line.split()
        destination, mask = (IPv4Address(struct.pack("=I", int(columns[index], 16))) for index in (1, 7))
        yield IPv4Network(f"{destination}/{mask}", strict=False)


def libvirt_networks(documents: Iterable[str]) -> Iterator[IPv4Network]:
    """Yield the IPv4 subnets of networks, given libvirt's XML of each."""
    for document in documents:
        for own in ET.fromstring(document).iter("ip"):  # noqa: S314 - written by libvirt itself
            if own.get("family", "ipv4") == "ipv4" and (address := own.get("address")):
                yield IPv4Interface(f"{address}/{own.get('netmask') or own.get('prefix')}").network
