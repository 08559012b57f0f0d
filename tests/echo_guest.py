"""A guest that is a boot sector: it sends back each byte that comes from its serial port, and sleeps in between."""

import uuid
from pathlib import Path
from xml.etree import ElementTree as ET

from nodeagent.domain.element import element
from nodeagent.domain.identity import Identity, domain_name, metadata

SECTOR = bytes.fromhex(
    # Stack at 7c00; the handler of interrupt 4 (vector 0c) is at 7c43.
    "fa 31c0 8ed8 8ed0 bc007c c7063000437c a33200"
    # The port interrupts when a byte has come (IER 1, MCR 0b), and the interrupt controller lets it.
    "baf903 b001 ee b2fc b00b ee e421 24ef e621"
    # Nothing received (LSR bit 0)? Sleep. Else read it, wait until the port can send (LSR bit 5), send it, again.
    "fa b2fd ec a801 7413 b2f8 ec 88c4 b2fd ec a820 74fb 88e0 b2f8 ee ebe5"
    # Sleep until an interrupt, and look again.
    "fb f4 ebe1"
    # The handler: say that it was handled.
    "50 b020 e620 58 cf"
)
"""For a PC with a 16550 at 3f8."""


def write_echo_disk(path: Path) -> None:
    """Write the image of the disk that such a guest boots from."""
    # The BIOS boots from nothing that is less than a cylinder.
    path.write_bytes((SECTOR.ljust(510, b"\0") + b"\x55\xaa").ljust(2**20, b"\0"))
    path.chmod(0o644)


def echo_guest(instance: Identity, directory: Path) -> str:
    """Return the XML of such a guest, whose disk and whose sockets are in ``directory``, which QEMU may write to."""
    disk = directory / "echo.img"
    write_echo_disk(disk)
    devices = (
        element(
            "disk",
            element("source", file=disk),
            element("target", dev="vda", bus="virtio"),
            element("readonly"),
            type="file",
        ),
        element("serial", element("source", mode="bind", path=directory / "serial.sock"), type="unix"),
        element("graphics", element("listen", type="socket", socket=directory / "vnc.sock"), type="vnc"),
    )
    domain = element(
        "domain",
        element("name", text=domain_name(instance.namespace, instance.name)),
        element("uuid", text=str(uuid.uuid4())),
        metadata(instance),
        element("memory", text=32, unit="MiB"),
        element("os", element("type", arch="x86_64", machine="q35", text="hvm")),
        element("devices", *devices),
        type="qemu",
    )
    return ET.tostring(domain, encoding="unicode")
