"""``<graphics>``: the guest's screen by VNC."""

import os
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from nodeagent.domain.element import element

LONGEST_SOCKET = 107
"""Bytes that the path of a socket may have on Linux (``sun_path`` in unix(7), less its final zero)."""


def has_graphics(devices: dict[str, Any]) -> bool:
    """Whether the guest has a screen."""
    return devices.get("autoattachGraphicsDevice", True)


def graphics(devices: dict[str, Any], socket: Path) -> Element | None:
    """Return VNC on a socket of the node's: no port is opened, and who may pass is decided by files' modes.

    Where the path of ``socket`` is longer than paths of sockets can be, libvirt chooses one among its own.
    """
    if not has_graphics(devices):
        return None
    place = str(socket) if len(os.fsencode(socket)) <= LONGEST_SOCKET else None
    return element("graphics", element("listen", type="socket", socket=place), type="vnc")
