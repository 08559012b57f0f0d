"""``<alias>``: the names by which a spec's devices are found in a running domain.

libvirt keeps a name only with the prefix ``ua-``, and wants every device's to be different. In a spec a disk and an
interface may share a name, such as ``default``; then the disk's gets a mark that no volume's name can begin with.
"""

from collections.abc import Collection
from xml.etree.ElementTree import Element

from nodeagent.domain.element import element

_PREFIX = "ua-"
_MARK = "disk_"


def interface_alias(name: str) -> Element:
    """Return the element for the interface ``name``."""
    return element("alias", name=f"{_PREFIX}{name}")


def disk_alias(name: str, interfaces: Collection[str]) -> Element:
    """Return the element for the disk ``name`` of a guest whose interfaces have the names ``interfaces``."""
    return element("alias", name=f"{_PREFIX}{_MARK if name in interfaces else ''}{name}")


def read_alias(device: Element) -> str:
    """Return the spec's name of a running domain's disk or interface, or libvirt's where it was given none."""
    found = device.find("alias")
    name = "" if found is None else found.get("name", "").removeprefix(_PREFIX)
    return name.removeprefix(_MARK) if device.tag == "disk" else name
