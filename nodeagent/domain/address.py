"""``<address>``: a device's place on the PCI bus, where the spec insists on one; libvirt chooses all others."""

import re
from xml.etree.ElementTree import Element

from nodeagent.domain.element import element
from nodeagent.domain.facts import UnsupportedError

_FORM = re.compile(r"([0-9a-fA-F]{4}):([0-9a-fA-F]{2}):([0-9a-fA-F]{2})\.([0-7])")


def pci_address(text: str | None, field: str) -> Element | None:
    """Return the element for ``text``, such as ``0000:81:01.0``.

    Raises:
        UnsupportedError: It is not an address.
    """
    if not text:
        return None
    found = _FORM.fullmatch(text)
    if not found:
        raise UnsupportedError(field, f"{text!r} is not a PCI address, such as 0000:81:01.0")
    domain, bus, slot, function = (f"0x{part}" for part in found.groups())
    return element("address", type="pci", domain=domain, bus=bus, slot=slot, function=function)
