"""Interfaces are attached as the node decides, and keep their address."""

import re
from typing import Any

import pytest

from nodeagent.domain.facts import UnsupportedError
from nodeagent.domain.interface import Attached, NetworkAttachment, UserAttachment, stable_mac
from tests.nodeagent.domain.guests import built, vmi, written

NETWORK = NetworkAttachment("virtplane")


def interface(spec: dict[str, Any], attached: Attached = NETWORK, cores: int = 2, **devices: Any) -> str:
    instance = vmi({"devices": {"interfaces": [{"name": "default", **spec}], **devices}, "cpu": {"cores": cores}})
    return written(built(instance, attached=attached).find("devices/interface"))


def test_a_plain_interface() -> None:
    assert interface({"masquerade": {}, "macAddress": "52:54:00:12:34:56"}) == (
        '<interface type="network"><mac address="52:54:00:12:34:56" /><source network="virtplane" />'
        '<model type="virtio-non-transitional" /><rom enabled="no" /><alias name="ua-default" /></interface>'
    )


@pytest.mark.parametrize("written", ["DE:AD:00:00:BE:AF", "de-ad-00-00-be-af", "dead.0000.beaf"])
def test_an_address_is_written_as_libvirt_wants_it(written: str) -> None:
    assert '<mac address="de:ad:00:00:be:af" />' in interface({"macAddress": written})


def test_user_mode_has_no_source() -> None:
    xml = interface({}, UserAttachment())
    assert xml.startswith('<interface type="user">')
    assert "<source" not in xml


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ({"model": "virtio"}, '<model type="virtio-non-transitional" />'),
        ({"model": "e1000e"}, '<model type="e1000e" />'),
        ({"state": "down"}, '<link state="down" />'),
        ({"acpiIndex": 101}, '<acpi index="101" />'),
        ({"bootOrder": 2}, '<model type="virtio-non-transitional" /><boot order="2" /><alias'),
        (
            {"pciAddress": "0000:02:1f.7"},
            '<address type="pci" domain="0x0000" bus="0x02" slot="0x1f" function="0x7" />',
        ),
    ],
)
def test_what_the_spec_says_is_what_the_interface_has(spec: dict[str, Any], part: str) -> None:
    assert part in interface(spec)


def test_a_bad_pci_address_is_named() -> None:
    with pytest.raises(UnsupportedError) as caught:
        interface({"pciAddress": "0000:02:1f.8"})
    assert caught.value.field == "domain.devices.interfaces[0].pciAddress"


@pytest.mark.parametrize(("cores", "queues"), [(2, "2"), (300, "256")])
def test_virtio_interfaces_have_a_queue_per_processor_up_to_what_a_tap_can(cores: int, queues: str) -> None:
    assert f'<driver queues="{queues}" />' in interface({}, cores=cores, networkInterfaceMultiqueue=True)


def test_other_models_and_user_mode_have_one_queue() -> None:
    assert "<driver" not in interface({"model": "e1000e"}, networkInterfaceMultiqueue=True)
    assert "<driver" not in interface({}, UserAttachment(), networkInterfaceMultiqueue=True)


def test_an_absent_interface_needs_no_attachment() -> None:
    assert not interface({"state": "absent"})


def test_an_address_stays_the_same_and_is_nobody_elses() -> None:
    addresses = [
        stable_mac(owner, name) for owner, name in [("a/vm", "x"), ("b/vm", "x"), ("a/vm", "y"), ("a/vn", "x")]
    ]
    assert len(set(addresses)) == len(addresses)
    assert stable_mac("a/vm", "x") == addresses[0] == "02:c6:9e:fd:73:77"
    assert all(re.fullmatch("02(:[0-9a-f]{2}){5}", address) for address in addresses)
