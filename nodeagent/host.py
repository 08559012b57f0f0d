"""What this host is: its size, its system and its addresses, as a Node tells them."""

import asyncio
import os
import platform
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kube.nodes import architecture

LONGEST_RESERVE = 1024**3
RESERVED_SHARE = 10
"""A tenth of the memory, at most a GiB, is the host's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The facts of a host that do not change while it runs."""

    host_name: str
    architecture: str
    cpus: int
    memory_bytes: int
    kernel: str
    operating_system: str
    machine_id: str
    boot_id: str
    address: str

    @property
    def guest_memory_bytes(self) -> int:
        """The memory that guests may use."""
        return self.memory_bytes - min(self.memory_bytes // RESERVED_SHARE, LONGEST_RESERVE)


async def read_host(address: str = "") -> Host:
    """Read the facts of this host; ``address`` is where others reach it, unless its routes shall tell."""
    return await asyncio.to_thread(_read, address)


def _read(address: str) -> Host:
    return Host(
        host_name=socket.gethostname(),
        architecture=architecture(),
        cpus=os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
        operating_system=_operating_system(),
        machine_id=_line(Path("/etc/machine-id")),
        boot_id=_line(Path("/proc/sys/kernel/random/boot_id")),
        address=address or _own_address(),
    )


def _operating_system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def _line(path: Path) -> str:
    """Return the only line of a file, or nothing where there is no such file, as in a container."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


def _own_address() -> str:
    """Return the address by which this host reaches others; connecting a datagram socket sends nothing."""
    for target in _elsewhere():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((target, 9))
            except OSError:
                continue
            return probe.getsockname()[0]
    return "127.0.0.1"


def _elsewhere() -> Iterator[str]:
    """Yield addresses whose route shows which of our own addresses others see (RFC 5737, RFC 1918)."""
    yield from ("192.0.2.1", "10.255.255.255")
