"""``<serial>`` and ``<console>``: the serial port, as a terminal and as a log."""

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from kube.configuration import Configuration
from nodeagent.domain.element import element
from nodeagent.domain.sockets import usable


def serial(devices: dict[str, Any], runtime: Path, configuration: Configuration) -> list[Element]:
    """Return the first serial port and the console on it, by the socket ``serial.sock`` below ``runtime``.

    It is logged to ``serial.log`` there unless guest or configuration says no. Where the path is longer than those of
    sockets can be, it is a terminal of the node's (``virsh console``), which nobody reaches through the API.
    """
    if not devices.get("autoattachSerialConsole", True):
        return []
    socket = usable(runtime / "serial.sock")
    logged = devices.get("logSerialConsole", configuration.keeps_serial_log)
    kind = "unix" if socket else "pty"
    return [
        element(
            "serial",
            element("source", mode="bind", path=socket) if socket else None,
            element("log", file=str(runtime / "serial.log"), append="on") if logged else None,
            type=kind,
        ),
        element("console", element("target", type="serial", port=0), type=kind),
    ]
