"""Who a domain is: its name, and the metadata by which an agent finds its VMI again."""

from dataclasses import asdict, dataclass
from xml.etree import ElementTree as ET

from nodeagent.domain.element import element

URI = "https://virtplane.io/domain/v1"
"""The XML namespace of our metadata element, and the key that libvirt keeps it under."""

_TAG = "instance"

ET.register_namespace("virtplane", URI)


@dataclass(frozen=True, slots=True)
class Identity:
    """The VMI that a domain was made for, and the node that it was bound to."""

    namespace: str
    name: str
    uid: str
    node: str


def domain_name(namespace: str, name: str) -> str:
    """Return the domain's name as KubeVirt forms it. Neither part can hold an underscore, so no two VMIs share one."""
    return f"{namespace}_{name}"


def metadata(identity: Identity) -> ET.Element:
    """Return ``<metadata>``."""
    return element("metadata", element(f"{{{URI}}}{_TAG}", **asdict(identity)))


def read_identity(metadata_xml: str) -> Identity | None:
    """Return the identity that libvirt's ``virDomain.metadata(VIR_DOMAIN_METADATA_ELEMENT, URI)`` holds.

    libvirt hands the element out without its namespace. None if it is not ours or incomplete.
    """
    try:
        found = ET.fromstring(metadata_xml)  # noqa: S314 - libvirt's own output; expat here bounds entity expansion
    except ET.ParseError:
        return None
    said = {name: found.get(name, "") for name in ("namespace", "name", "uid", "node")}
    if found.tag not in {_TAG, f"{{{URI}}}{_TAG}"} or not all(said.values()):
        return None
    return Identity(**said)
