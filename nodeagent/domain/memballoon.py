"""``<memballoon>``: memory that the guest gives back, and what it says about its use."""

from typing import Any
from xml.etree.ElementTree import Element

from nodeagent.domain.element import element
from nodeagent.domain.machine import Machine

_STATS_SECONDS = 10


def memballoon(devices: dict[str, Any], machine: Machine) -> Element:
    """Return the balloon; ``none`` has to be said, for libvirt adds one where nothing is."""
    if not devices.get("autoattachMemBalloon", True):
        return element("memballoon", model="none")
    return element("memballoon", element("stats", period=_STATS_SECONDS), model=machine.virtio, freePageReporting="on")
