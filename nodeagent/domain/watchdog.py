"""``<watchdog>``: acts when the guest stops feeding it."""

from typing import Any
from xml.etree.ElementTree import Element

from nodeagent.domain.element import element
from nodeagent.domain.facts import UnsupportedError
from nodeagent.domain.machine import Machine
from nodeagent.domain.spec import section


def watchdog(devices: dict[str, Any], machine: Machine) -> Element | None:
    """Return the watchdog if it is asked for.

    Raises:
        UnsupportedError: The machine is not a PC, for which alone QEMU has one.
    """
    spec = devices.get("watchdog")
    if spec is None:
        return None
    if not machine.is_x86:
        raise UnsupportedError("domain.devices.watchdog", f"there is none for {machine.arch}: remove it")
    return element("watchdog", model="i6300esb", action=section(spec, "i6300esb").get("action") or "reset")
