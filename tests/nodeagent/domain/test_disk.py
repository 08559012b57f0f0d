"""Volumes become disks and CD-ROMs, each on its bus, under its name and in its order."""

from pathlib import Path
from typing import Any

import pytest

from nodeagent.domain.disk import device_name
from nodeagent.domain.facts import HostFacts, UnsupportedError
from nodeagent.volumes.prepared import PreparedDisk, PreparedVolumes
from tests.nodeagent.domain.guests import ARM, KVM, built, vmi, with_devices, written


def disk(spec: dict[str, Any], host: HostFacts = KVM, volume_format: str = "raw", **devices: Any) -> str:
    """The first disk of a VMI whose other devices are ``devices``."""
    instance = vmi({"devices": {"disks": [{"name": "data", **spec}], **devices}, "cpu": {"cores": 2}})
    volumes = PreparedVolumes({"data": PreparedDisk("data", Path("/d"), volume_format)})
    return written(built(instance, host, volumes=volumes).find("devices/disk"))


def test_a_plain_disk() -> None:
    assert disk({"disk": {"bus": "virtio"}}, volume_format="qcow2") == (
        '<disk type="file" device="disk" model="virtio-non-transitional">'
        '<driver name="qemu" type="qcow2" error_policy="stop" discard="unmap" />'
        '<source file="/d" /><target dev="vda" bus="virtio" /><boot order="1" /><alias name="ua-data" /></disk>'
    )


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ({}, '<target dev="sda" bus="sata" />'),
        ({"disk": {"bus": "usb"}}, '<target dev="sda" bus="usb" />'),
        ({"disk": {"bus": "scsi"}}, '<target dev="sda" bus="scsi" />'),
        ({"cdrom": {"tray": "open"}}, '<target dev="sda" bus="sata" tray="open" />'),
        ({"cdrom": {}}, "<readonly />"),
        ({"cdrom": {}}, 'device="cdrom"'),
        ({"cdrom": {}}, 'error_policy="stop" />'),
        ({"disk": {"bus": "virtio", "readonly": True}}, "<readonly />"),
        ({"serial": "A-1"}, "<serial>A-1</serial>"),
        ({"cache": "writeback"}, ' cache="writeback"'),
        ({"io": "threads"}, ' io="threads"'),
        ({"io": "native"}, ' cache="none" error_policy="stop" io="native"'),
        ({"errorPolicy": "enospace"}, ' error_policy="enospace"'),
        ({"shareable": True}, "<shareable />"),
        ({"shareable": True}, ' cache="none"'),
        ({"bootOrder": 7}, '<boot order="7" />'),
        (
            {"disk": {"bus": "virtio", "pciAddress": "0000:81:01.0"}},
            '<address type="pci" domain="0x0000" bus="0x81" slot="0x01" function="0x0" />',
        ),
    ],
)
def test_what_the_spec_says_is_what_the_disk_has(spec: dict[str, Any], part: str) -> None:
    assert part in disk(spec)


def test_a_volume_that_may_not_be_written_is_a_read_only_disk() -> None:
    volumes = PreparedVolumes({"data": PreparedDisk("data", Path("/d"), "raw", readonly=True)})
    root = built(vmi({"devices": {"disks": [{"name": "data", "disk": {"bus": "virtio"}}]}}), volumes=volumes)
    assert root.find("devices/disk/readonly") is not None
    assert "<readonly" not in disk({"disk": {"bus": "virtio"}})


def test_a_seed_on_sata_stays_writable_as_qemu_has_no_other() -> None:
    volumes = PreparedVolumes({"seed": PreparedDisk("seed", Path("/d"), "raw", readonly=True)})
    for drive, readonly in (({"disk": {"bus": "sata"}}, False), ({}, False), ({"cdrom": {"bus": "sata"}}, True)):
        root = built(vmi({"devices": {"disks": [{"name": "seed", **drive}]}}), volumes=volumes)
        assert (root.find("devices/disk/readonly") is not None) is readonly


def test_a_read_only_disk_on_sata_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="SATA disk"):
        disk({"disk": {"bus": "sata", "readonly": True}})


def test_only_virtio_disks_have_a_model_and_a_queue_per_processor() -> None:
    assert ' queues="2"' in disk({"disk": {"bus": "virtio"}}, blockMultiQueue=True)
    assert 'model="virtio-transitional"' in disk({"disk": {"bus": "virtio"}}, useVirtioTransitional=True)
    sata = disk({"disk": {"bus": "sata"}}, blockMultiQueue=True)
    assert "queues" not in sata
    assert "model" not in sata


def test_where_there_is_no_sata_disks_are_virtio_and_cdroms_scsi() -> None:
    assert 'bus="virtio"' in disk({}, ARM)
    assert 'bus="scsi"' in disk({"cdrom": {}}, ARM)


@pytest.mark.parametrize(
    ("spec", "volume_format", "field", "message"),
    [
        ({"disk": {"bus": "ide"}}, "raw", "disk.bus", "virtio, sata, scsi, usb"),
        ({"cdrom": {"bus": "fdc"}}, "raw", "cdrom.bus", "virtio, sata, scsi, usb"),
        ({"lun": {"bus": "scsi"}}, "raw", "lun", "use disk"),
        ({"io": "native", "cache": "writeback"}, "raw", "cache", "not writeback"),
        ({"shareable": True, "cache": "writethrough"}, "raw", "cache", "not writethrough"),
        ({"shareable": True}, "qcow2", "shareable", "this one is qcow2"),
        ({"disk": {"pciAddress": "81:01.0"}}, "raw", "disk.pciAddress", "0000:81:01.0"),
    ],
)
def test_what_cannot_be_provided_is_named(spec: dict[str, Any], volume_format: str, field: str, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message) as caught:
        disk(spec, volume_format=volume_format)
    assert caught.value.field == f"domain.devices.disks[0].{field}"


def test_buses_of_one_prefix_share_its_names() -> None:
    buses = ("virtio", "sata", "virtio", "usb", "scsi")
    disks = [{"name": f"d{index}", "disk": {"bus": bus}} for index, bus in enumerate(buses)]
    targets = [target.get("dev") for target in with_devices(disks=disks).iterfind("disk/target")]
    assert targets == ["vda", "sda", "vdb", "sdb", "sdc"]


@pytest.mark.parametrize(
    ("index", "name"),
    [(0, "vda"), (25, "vdz"), (26, "vdaa"), (51, "vdaz"), (52, "vdba"), (701, "vdzz"), (702, "vdaaa")],
)
def test_device_names_go_on_after_z(index: int, name: str) -> None:
    assert device_name("vd", index) == name


def test_a_disk_without_a_volume_is_left_out() -> None:
    instance = vmi({"devices": {"disks": [{"name": "gone"}, {"name": "there"}]}}, volumes=[{"name": "there"}])
    assert [alias.get("name") for alias in built(instance).iterfind("devices/disk/alias")] == ["ua-there"]


def test_without_any_boot_order_disks_are_tried_as_listed() -> None:
    devices = with_devices(disks=[{"name": "a"}, {"name": "b"}])
    assert [boot.get("order") for boot in devices.iterfind("disk/boot")] == ["1", "2"]


@pytest.mark.parametrize("first", [{"disks": [{"name": "a"}, {"name": "b", "bootOrder": 1}]}, {"interfaces": True}])
def test_once_a_device_has_a_boot_order_only_such_devices_are_tried(first: dict[str, Any]) -> None:
    if "interfaces" in first:
        first = {"disks": [{"name": "a"}], "interfaces": [{"name": "net", "bootOrder": 1}]}
    assert [boot.get("order") for boot in with_devices(**first).iterfind("*/boot")] == ["1"]
