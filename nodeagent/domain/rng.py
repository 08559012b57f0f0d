"""``<rng>``: random numbers of the node for the guest."""

from typing import Any
from xml.etree.ElementTree import Element

from nodeagent.domain.element import element
from nodeagent.domain.machine import Machine


def rng(devices: dict[str, Any], machine: Machine) -> Element | None:
    """Return the device if it is asked for."""
    if devices.get("rng") is None:
        return None
    return element("rng", element("backend", text="/dev/urandom", model="random"), model=machine.virtio)
