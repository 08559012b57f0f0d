"""``<input>``: pointing devices and keyboards besides what the machine has."""

from typing import Any
from xml.etree.ElementTree import Element

from nodeagent.domain.element import element
from nodeagent.domain.graphics import has_graphics
from nodeagent.domain.machine import Machine


def inputs(devices: dict[str, Any], machine: Machine) -> list[Element]:
    """Return the inputs; a machine with a screen but without PS/2 gets a tablet and a keyboard."""
    found = [_input(spec.get("type") or "tablet", spec.get("bus") or "usb") for spec in devices.get("inputs") or []]
    if not machine.is_x86 and has_graphics(devices):
        return [*(found or [_input("tablet", "usb")]), _input("keyboard", "usb")]
    return found


def _input(kind: str, bus: str) -> Element:
    return element("input", type=kind, bus=bus, model="virtio" if bus == "virtio" else None)
