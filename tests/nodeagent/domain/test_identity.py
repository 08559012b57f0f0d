"""A domain says whose it is, through libvirt and back."""

from collections.abc import Iterator

import libvirt
import pytest

from nodeagent.domain.identity import URI, Identity, domain_name, read_identity
from tests.nodeagent.domain.guests import EMULATED, UID, vmi, xml_of

OURS = Identity("default", "web", UID, "node-1")


@pytest.fixture
def driver() -> Iterator[libvirt.virConnect]:
    """libvirt's own driver for tests: it parses and keeps domains, but runs nothing."""
    connection = libvirt.open("test:///default")
    yield connection
    connection.close()


def test_a_name_is_kubevirts() -> None:
    assert domain_name("default", "web") == "default_web"


def test_the_identity_survives_libvirt(driver: libvirt.virConnect) -> None:
    xml = xml_of(vmi(), EMULATED).replace('type="qemu"', 'type="test"', 1)
    domain = driver.defineXML(xml)
    try:
        kept = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, URI)
    finally:
        domain.undefine()
    assert read_identity(kept) == OURS
    assert domain.name() == "default_web"


def test_the_element_is_read_with_its_namespace_too() -> None:
    said = f'namespace="default" name="web" uid="{UID}" node="node-1"'
    assert read_identity(f'<v:instance xmlns:v="{URI}" {said}/>') == OURS


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "<instance",
        "<instance/>",
        '<instance namespace="a" name="b" uid="c"/>',
        '<instance namespace="a" name="" uid="c" node="d"/>',
        '<guest namespace="a" name="b" uid="c" node="d"/>',
        '<v:instance xmlns:v="https://example.org" namespace="a" name="b" uid="c" node="d"/>',
    ],
)
def test_what_is_not_ours_is_nobody(metadata: str) -> None:
    assert read_identity(metadata) is None
