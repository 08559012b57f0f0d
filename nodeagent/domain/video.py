"""``<video>``: the graphics card behind the screen."""

from typing import Any
from xml.etree.ElementTree import Element

from nodeagent.domain.element import element
from nodeagent.domain.graphics import has_graphics
from nodeagent.domain.machine import Machine
from nodeagent.domain.spec import section

_VRAM_KIB = 16_384
_WITH_VRAM = frozenset({"vga", "bochs", "cirrus"})


def video(devices: dict[str, Any], *, machine: Machine, efi: bool) -> Element | None:
    """Return the card that is asked for, else KubeVirt's default, if there is a screen."""
    if not has_graphics(devices):
        return None
    model = section(devices, "video").get("type") or _default(machine, efi=efi)
    vram = _VRAM_KIB if model in _WITH_VRAM else None
    heads = None if model == "ramfb" else 1
    return element("video", element("model", type=model, vram=vram, heads=heads))


def _default(machine: Machine, *, efi: bool) -> str:
    if not machine.is_x86:
        return "virtio"
    return "bochs" if efi else "vga"  # EFI has no use for the BIOS part of a VGA card
