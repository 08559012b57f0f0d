"""``<sound>``: a sound card that guests find; what they play goes nowhere."""

from typing import Any
from xml.etree.ElementTree import Element

from nodeagent.domain.element import element
from nodeagent.domain.facts import UnsupportedError
from nodeagent.domain.machine import Machine


def sound(devices: dict[str, Any], machine: Machine) -> Element | None:
    """Return the card if it is asked for.

    Raises:
        UnsupportedError: The machine is not a PC.
    """
    spec = devices.get("sound")
    if spec is None:
        return None
    if not machine.is_x86:
        raise UnsupportedError("domain.devices.sound", f"there is none for {machine.arch}: remove it")
    return element("sound", model=spec.get("model") or "ich9")
