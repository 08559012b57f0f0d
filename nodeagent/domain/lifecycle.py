"""``<on_poweroff>`` and its kin, and ``<pm>``: what happens when a guest stops by itself."""

from typing import Any
from xml.etree.ElementTree import Element

from nodeagent.domain.element import element
from nodeagent.domain.machine import Machine


def lifecycle(spec: dict[str, Any], machine: Machine) -> list[Element]:
    """Return the elements. A guest that stops is gone: to start it again is its controller's decision."""
    on_reboot = "destroy" if spec["domain"].get("rebootPolicy") == "Terminate" else "restart"
    return [
        element("on_poweroff", text="destroy"),
        element("on_reboot", text=on_reboot),
        element("on_crash", text="destroy"),
        *([_no_suspend()] if machine.is_x86 else []),  # others have no such switch, and no suspend
    ]


def _no_suspend() -> Element:
    """A guest that suspends itself looks stopped from outside, and nothing here would wake it."""
    return element("pm", element("suspend-to-mem", enabled="no"), element("suspend-to-disk", enabled="no"))
