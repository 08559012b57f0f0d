"""``<graphics>``: the guest's screen by VNC."""

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from nodeagent.domain.element import element
from nodeagent.domain.sockets import usable


def has_graphics(devices: dict[str, Any]) -> bool:
    """Whether the guest has a screen."""
    return devices.get("autoattachGraphicsDevice", True)


def graphics(devices: dict[str, Any], socket: Path) -> Element | None:
    """Return VNC on a socket of the node's.

    Where the path of ``socket`` is longer than paths of sockets can be, libvirt chooses one among its own.
    """
    if not has_graphics(devices):
        return None
    return element("graphics", element("listen", type="socket", socket=usable(socket)), type="vnc")
