"""``<memballoon>``: memory that the guest gives back, and what it says about its use."""

from typing import Any
from xml.etree.ElementTree import Element

from kube.configuration import Configuration
from nodeagent.domain.element import element, on_off
from nodeagent.domain.machine import Machine


def memballoon(devices: dict[str, Any], machine: Machine, configuration: Configuration) -> Element:
    """Return the balloon; ``none`` has to be said, for libvirt adds one where nothing is."""
    if not devices.get("autoattachMemBalloon", True):
        return element("memballoon", model="none")
    seconds = configuration.memory_balloon_seconds
    return element(
        "memballoon",
        element("stats", period=seconds) if seconds else None,
        model=machine.virtio,
        freePageReporting=on_off(configuration.reports_free_pages),
    )
