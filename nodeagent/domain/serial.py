"""``<serial>`` and ``<console>``: the serial port, as a terminal and as a log."""

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from kube.configuration import Configuration
from nodeagent.domain.element import element


def serial(devices: dict[str, Any], log: Path, configuration: Configuration) -> list[Element]:
    """Return the first serial port and the console on it, logged to ``log`` unless guest or configuration says no."""
    if not devices.get("autoattachSerialConsole", True):
        return []
    logged = devices.get("logSerialConsole", configuration.keeps_serial_log)
    return [
        element("serial", element("log", file=str(log), append="on") if logged else None, type="pty"),
        element("console", element("target", type="serial", port=0), type="pty"),
    ]
