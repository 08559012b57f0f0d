"""``<boot order>``: which devices are tried for booting, and when."""

from typing import Any
from xml.etree.ElementTree import Element

from nodeagent.domain.element import element


def boot(device: dict[str, Any]) -> Element | None:
    """Return the element of a disk or interface that has an order."""
    order = device.get("bootOrder")
    return element("boot", order=order) if order else None


def in_boot_order(devices: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the disks, each with its order.

    KubeVirt tries disks as they are listed where no device has an order, and else only devices that have one.
    """
    disks = devices.get("disks") or []
    if any(device.get("bootOrder") for device in [*disks, *(devices.get("interfaces") or [])]):
        return disks
    return [disk | {"bootOrder": position} for position, disk in enumerate(disks, start=1)]
