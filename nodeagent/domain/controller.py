"""``<controller>``: the buses that the other devices need, and room for devices to come."""

from collections.abc import Iterable
from xml.etree.ElementTree import Element

from nodeagent.domain.element import element
from nodeagent.domain.machine import Machine

_SPARE_PORTS = 4


def controllers(devices: Iterable[Element], machine: Machine, *, hotplug: bool) -> list[Element]:
    """Return the controllers for ``devices``, which are all others of the guest.

    A device cannot be added to PCI Express without a free root port, and ports cannot be added to a running guest.
    """
    present = list(devices)
    found = [
        element("controller", type="usb", index=0, model="qemu-xhci" if _is_on(present, "usb") else "none"),
        element("controller", type="virtio-serial", index=0, model=machine.virtio),
    ]
    if _is_on(present, "scsi"):
        found.append(element("controller", type="scsi", index=0, model=machine.virtio))
    if machine.is_pcie and hotplug:
        # libvirt makes the ports that are lacking, and fills those that are there: count what is taken, then add.
        taken = sum(map(_takes_port, [*present, *found]))
        # The first PCI controller that is named has index 0, which only the root complex may have.
        found.append(element("controller", type="pci", index=0, model="pcie-root"))
        found += [element("controller", type="pci", model="pcie-root-port") for _ in range(taken + _SPARE_PORTS)]
    return found


def _is_on(devices: Iterable[Element], bus: str) -> bool:
    return any(_bus(device) == bus for device in devices)


def _bus(device: Element) -> str | None:
    target = device.find("target") if device.tag == "disk" else device
    return None if target is None else target.get("bus")


def _takes_port(device: Element) -> bool:
    """Whether a device sits behind a root port of its own, be it by way of a bridge to old PCI."""
    match device.tag:
        case "interface" | "rng" | "watchdog":
            return True
        case "disk" | "input":
            return _bus(device) == "virtio"
        case "controller" | "memballoon":
            return device.get("model") != "none"
        case _:
            return False
