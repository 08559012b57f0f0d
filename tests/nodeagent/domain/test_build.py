"""Whole domains: those of the examples as golden files, and what libvirt and hostile text make of them.

``VIRTPLANE_UPDATE_GOLDEN=1`` writes the golden files anew; read what changed before you commit it.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import libvirt
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from nodeagent.domain.facts import HostFacts, UnsupportedError
from nodeagent.domain.interface import Attached, UserAttachment
from tests.libvirt_host import LibvirtHost
from tests.nodeagent.domain.guests import ARM, EMULATED, FIRMWARE_UUID, KVM, NETWORK, vmi, xml_of

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[2] / "examples"

# One guest with every device and feature that there is, so that libvirt judges all of them.
FULL: dict[str, Any] = {
    "cpu": {"sockets": 2, "cores": 2, "model": "Nehalem", "features": [{"name": "aes", "policy": "optional"}]},
    "memory": {"guest": "192Mi"},
    "clock": {
        "timezone": "Europe/Berlin",
        "timer": {
            "hpet": {"present": False},
            "pit": {"tickPolicy": "delay"},
            "rtc": {"tickPolicy": "catchup", "track": "guest"},
            "kvm": {},
            "hyperv": {},
        },
    },
    "features": {"acpi": {}, "apic": {"endOfInterrupt": True}, "smm": {}, "kvm": {"hidden": True}, "pvspinlock": {}},
    "firmware": {"uuid": FIRMWARE_UUID, "serial": "S-1", "bootloader": {"bios": {"useSerial": True}}},
    "chassis": {"manufacturer": "Maker", "version": "1", "serial": "C-1", "asset": "A-1", "sku": "K-1"},
    "devices": {
        "blockMultiQueue": True,
        "networkInterfaceMultiqueue": True,
        "rng": {},
        "watchdog": {"name": "dog", "i6300esb": {"action": "poweroff"}},
        "sound": {"name": "card", "model": "ich9"},
        "inputs": [
            {"name": "usb", "type": "tablet", "bus": "usb"},
            {"name": "virtio", "type": "tablet", "bus": "virtio"},
        ],
        "disks": [
            {"name": "default", "disk": {"bus": "virtio"}, "serial": "D-1", "cache": "none", "io": "native"},
            {"name": "sata", "disk": {"bus": "sata"}, "errorPolicy": "report"},
            {"name": "scsi", "disk": {"bus": "scsi"}},
            {"name": "usb", "disk": {"bus": "usb"}},
            {"name": "tray", "cdrom": {"bus": "sata", "tray": "closed"}},
            {"name": "shared", "disk": {"bus": "virtio"}, "shareable": True},
        ],
        "interfaces": [
            {"name": "default", "acpiIndex": 101, "bootOrder": 1},
            {"name": "down", "model": "e1000e", "state": "down"},
            {"name": "old", "model": "rtl8139"},
        ],
    },
}
SEED = {"cloudInitNoCloud": {"userData": ""}}  # raw, as a disk must be to be shared
FULL_VOLUMES = [
    {"name": disk["name"], **(SEED if disk["name"] == "shared" else {})} for disk in FULL["devices"]["disks"]
]
EFI = {"firmware": {"uuid": FIRMWARE_UUID, "bootloader": {"efi": {}}}, "features": {"smm": {}}}


def example(name: str) -> dict[str, Any]:
    """The instance of an example's VirtualMachine."""
    machine = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    spec = machine["spec"]["template"]["spec"]
    instance = vmi(spec["domain"], **{key: value for key, value in spec.items() if key != "domain"})
    instance["spec"]["domain"].setdefault("firmware", {})["uuid"] = FIRMWARE_UUID
    instance["metadata"]["name"] = machine["metadata"]["name"]
    return instance


CASES: dict[str, tuple[dict[str, Any], HostFacts, Attached]] = {
    "vm-busybox": (example("vm-busybox"), KVM, NETWORK),
    "vm-busybox-emulated": (example("vm-busybox"), EMULATED, UserAttachment()),
    "vm-cloud-image": (example("vm-cloud-image"), KVM, NETWORK),
    "full": (vmi(FULL, volumes=FULL_VOLUMES), KVM, NETWORK),
    "full-pc-emulated": (
        vmi({**FULL, "machine": {"type": "pc"}}, volumes=FULL_VOLUMES, startStrategy="Paused"),
        EMULATED,
        NETWORK,
    ),
    "efi": (vmi(EFI), KVM, NETWORK),
    "arm": (vmi({"devices": {"rng": {}, "interfaces": [{"name": "default"}]}}), ARM, NETWORK),
}


@pytest.mark.parametrize("name", CASES)
def test_a_domain_is_what_its_golden_file_says(name: str) -> None:
    instance, host, attached = CASES[name]
    xml = xml_of(instance, host, attached=attached)
    golden = HERE / "golden" / f"{name}.xml"
    if os.environ.get("VIRTPLANE_UPDATE_GOLDEN"):
        golden.write_text(xml)
    assert xml == golden.read_text()


def test_every_golden_file_has_its_case() -> None:
    assert {path.stem for path in (HERE / "golden").iterdir()} == set(CASES)


@pytest.fixture
def test_driver() -> Iterator[libvirt.virConnect]:
    """libvirt's own driver for tests, in this process."""
    connection = libvirt.open("test:///default")
    yield connection
    connection.close()


@pytest.mark.parametrize("name", CASES)
def test_libvirts_schema_accepts_every_golden_file(name: str, test_driver: libvirt.virConnect) -> None:
    root = ET.parse(HERE / "golden" / f"{name}.xml").getroot()  # noqa: S314 - our own file
    root.set("type", "test")  # the only type that this driver has
    domain = test_driver.defineXMLFlags(ET.tostring(root, encoding="unicode"), libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
    domain.undefine()


@pytest.mark.parametrize("name", ["vm-busybox-emulated", "full-pc-emulated", "vm-cloud-image", "full"])
def test_the_qemu_driver_finds_every_device_a_place(name: str, private_libvirt: LibvirtHost) -> None:
    """It checks far more than the schema: addresses, features of machine and QEMU, aliases."""
    instance, host, attached = CASES[name]
    here = private_libvirt.directory / f"{name}.xml"
    # KVM's own elements cannot be judged where there is none: the same guest, emulated.
    here.write_text(xml_of(instance, EMULATED if host is KVM else host, attached=attached))
    arguments = private_libvirt.virsh("domxml-to-native", "qemu-argv", "--xml", str(here))
    assert "-uuid 5d307ca9-b3ef-428c-8861-06e72d69f223" in arguments


def test_four_root_ports_are_free_once_the_qemu_driver_has_placed_all(private_libvirt: LibvirtHost) -> None:
    here = private_libvirt.directory / "ports.xml"
    instance = vmi({"devices": {"rng": {}, "interfaces": [{"name": "a"}]}})
    instance["metadata"]["name"] = "ports"
    here.write_text(xml_of(instance, EMULATED))
    private_libvirt.virsh("define", "--validate", str(here))
    try:
        placed = ET.fromstring(private_libvirt.virsh("dumpxml", "default_ports"))  # noqa: S314 - libvirt's output
    finally:
        private_libvirt.virsh("undefine", "default_ports")
    ports = {each.get("index") for each in placed.iterfind("devices/controller[@model='pcie-root-port']")}
    used = {str(int(each.get("bus", ""), 16)) for each in placed.iterfind(".//address[@type='pci']")}
    assert len(ports - used) == 4


def shape(element: ET.Element) -> Any:
    """An element's tags and attribute names, without any text."""
    return element.tag, sorted(element.attrib), [shape(child) for child in element]


# Each place where text that a user chose freely reaches the XML.
def hostile_guest(text: str) -> dict[str, Any]:
    devices = {
        "disks": [{"name": text, "serial": text, "cache": text, "errorPolicy": text}],
        "interfaces": [{"name": text, "model": f"x{text}", "macAddress": text}],
        "video": {"type": f"x{text}"},
        "sound": {"name": "s", "model": text},
        "watchdog": {"name": "w", "i6300esb": {"action": text}},
        "inputs": [{"name": "i", "type": text, "bus": f"x{text}"}],
    }
    domain = {
        "cpu": {"model": f"x{text}", "features": [{"name": f"x{text}", "policy": text}]},
        "machine": {"type": f"x{text}"},
        "firmware": {"uuid": FIRMWARE_UUID, "serial": text, "kernelBoot": {"kernelArgs": text}},
        "chassis": {"asset": text},
        "clock": {"timezone": text, "timer": {"rtc": {"tickPolicy": text}}},
        "devices": devices,
    }
    return vmi(domain, volumes=[{"name": text}])


HOSTILE = st.text(min_size=1) | st.sampled_from(
    ["<!--", "]]>", "'\"/><disk/>", "&quot;", "<![CDATA[", "]]><emulator>/bin/sh</emulator>", "%n", "{x}", "\r\n"]
)
PLAIN = ET.fromstring(xml_of(hostile_guest("plain")))  # noqa: S314 - made by what is tested


@given(HOSTILE)
def test_no_text_can_change_a_domains_structure(text: str) -> None:
    try:
        root = ET.fromstring(xml_of(hostile_guest(text)))  # noqa: S314 - made by what is tested
    except UnsupportedError as refused:
        assume("cannot be passed to a guest" not in refused.message)
        raise
    assert shape(root) == shape(PLAIN)
    asset = root.find("sysinfo/chassis/entry")
    assert asset is not None
    # A parser reads every line end as one: https://www.w3.org/TR/xml/#sec-line-ends
    assert asset.text == text.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x7f\x08", "\ud800", "\ufffe"])
def test_what_no_xml_can_hold_is_refused_with_its_place(character: str) -> None:
    domain = {"devices": {"disks": [{"name": "a"}, {"name": "b", "serial": f"x{character}"}]}}
    with pytest.raises(UnsupportedError, match="remove them") as caught:
        xml_of(vmi(domain))
    assert caught.value.field == "domain.devices.disks[1].serial"


def test_the_same_instance_always_becomes_the_same_domain() -> None:
    instance, host, attached = CASES["full"]
    assert xml_of(instance, host, attached=attached) == xml_of(instance, host, attached=attached)
