"""Rules of disks."""

import pytest

from apiserver.resources.virtualmachineinstance.defaults import fill_instance
from apiserver.resources.virtualmachineinstance.validation import validate_spec
from kube.configuration import Configuration
from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    DUPLICATE,
    FORBIDDEN,
    INVALID,
    PLAIN,
    REQUIRED,
    UNSUPPORTED,
    Case,
    Object,
    edited,
    expect,
    expect_right,
    gates,
)

DISK, DISK_1, VOL = "domain.devices.disks.0", "domain.devices.disks.1", "volumes.0"
FIELD, FIELD_1 = "domain.devices.disks[0]", "domain.devices.disks[1]"
CLAIM = {VOL: {"name": "root", "persistentVolumeClaim": {"claimName": "a"}}}
METRICS = {VOL: {"name": "root", "downwardMetrics": {}}}
LUN = {DISK: {"name": "root", "lun": {}}}

CASES: list[Case] = [
    ({f"{DISK_1}.name": "root"}, f"{FIELD_1}.name", DUPLICATE, "root"),
    ({f"{DISK}.name": "rot"}, f"{FIELD}.name", INVALID, "no volume of this name in spec.volumes"),
    ({f"{DISK}.name": "Rot"}, f"{FIELD}.name", INVALID, "lower case"),
    ({DISK_1: {"name": "x_y", "cdrom": {}}}, f"{FIELD_1}.name", INVALID, "lower case"),
    ({DISK: {"name": "none", "lun": {}}}, f"{FIELD}.name", INVALID, "no volume of this name"),
    ({f"{DISK}.cdrom": {}}, FIELD, FORBIDDEN, "disk and cdrom exclude each other"),
    ({**CLAIM, f"{DISK}.lun": {}}, FIELD, FORBIDDEN, "disk and lun exclude each other"),
    ({f"{DISK}.disk.bus": "ide"}, f"{FIELD}.disk.bus", UNSUPPORTED, "virtio"),
    ({f"{DISK}.disk.bus": "nvme"}, f"{FIELD}.disk.bus", UNSUPPORTED, "scsi"),
    ({f"{DISK_1}.cdrom.bus": "virtio"}, f"{FIELD_1}.cdrom.bus", UNSUPPORTED, "sata"),
    ({**CLAIM, DISK: {"name": "root", "lun": {"bus": "ide"}}}, f"{FIELD}.lun.bus", UNSUPPORTED, "usb"),
    ({f"{DISK_1}.cdrom.tray": "ajar"}, f"{FIELD_1}.cdrom.tray", UNSUPPORTED, "closed"),
    (LUN, f"{FIELD}.lun", FORBIDDEN, "only a persistentVolumeClaim or dataVolume can be a LUN"),
    (
        {**LUN, VOL: {"name": "root", "emptyDisk": {"capacity": "1Gi"}}},
        f"{FIELD}.lun",
        FORBIDDEN,
        "use disk, or another volume",
    ),
    (
        {**CLAIM, DISK: {"name": "root", "lun": {"reservation": True}}},
        f"{FIELD}.lun.reservation",
        FORBIDDEN,
        "persistentReservationConfiguration",
    ),
    ({f"{DISK}.disk": {"bus": "sata", "readonly": True}}, f"{FIELD}.disk.readonly", FORBIDDEN, "set bus to virtio"),
    ({f"{DISK}.disk.pciAddress": "81:01.0"}, f"{FIELD}.disk.pciAddress", INVALID, "0000:81:01.0"),
    ({f"{DISK}.disk.pciAddress": "0000:81:01.8"}, f"{FIELD}.disk.pciAddress", INVALID, "0000:81:01.0"),
    (
        {f"{DISK}.disk": {"bus": "scsi", "pciAddress": "0000:81:01.0"}},
        f"{FIELD}.disk.pciAddress",
        FORBIDDEN,
        "only a disk with bus virtio",
    ),
    ({f"{DISK}.disk": {"pciAddress": "0000:81:01.0"}}, f"{FIELD}.disk.pciAddress", FORBIDDEN, "only a disk with bus"),
    ({f"{DISK}.serial": "a b"}, f"{FIELD}.serial", INVALID, "letters, digits"),
    ({f"{DISK}.serial": "a" * 257}, f"{FIELD}.serial", INVALID, "256"),
    ({f"{DISK}.cache": "unsafe"}, f"{FIELD}.cache", UNSUPPORTED, "writeback"),
    ({f"{DISK}.io": "fast"}, f"{FIELD}.io", UNSUPPORTED, "native"),
    ({f"{DISK}.errorPolicy": "retry"}, f"{FIELD}.errorPolicy", UNSUPPORTED, "enospace"),
    ({f"{DISK}.errorPolicy": ""}, f"{FIELD}.errorPolicy", UNSUPPORTED, "enospace"),
    ({f"{DISK}.shareable": True, f"{DISK}.cache": "writeback"}, f"{FIELD}.cache", INVALID, "set cache to none"),
    (
        {f"{DISK}.disk.bus": "sata", f"{DISK}.dedicatedIOThread": True},
        f"{FIELD}.dedicatedIOThread",
        FORBIDDEN,
        "a disk with bus sata has no thread",
    ),
    (
        {f"{DISK_1}.dedicatedIOThread": True},
        f"{FIELD_1}.dedicatedIOThread",
        FORBIDDEN,
        "set bus to virtio",
    ),
]


@pytest.mark.parametrize("case", CASES)
def test_a_disk_that_cannot_be_is_refused(case: Case) -> None:
    expect(case)


METRICS_CASES: list[Case] = [
    ({**METRICS, DISK: {"name": "root", "cdrom": {}}}, f"{FIELD}.disk", REQUIRED, "use disk: {}"),
    ({**METRICS, f"{DISK}.disk.bus": "scsi"}, f"{FIELD}.disk.bus", UNSUPPORTED, "virtio"),
]


@pytest.mark.parametrize("case", METRICS_CASES)
def test_downward_metrics_are_on_a_virtio_disk(case: Case) -> None:
    expect(case, gates("DownwardMetrics"))


RIGHT: list[Object] = [
    {"domain.devices.disks": []},
    {DISK_1: {"name": "empty", "cdrom": {"bus": "sata"}}},
    {f"{DISK}.disk": {"bus": "scsi", "readonly": True}},
    {f"{DISK}.disk": {"bus": "virtio", "pciAddress": "0000:AB:01.7"}},
    {f"{DISK}.serial": "a" * 256, f"{DISK}.cache": "", f"{DISK}.io": "threads", f"{DISK}.errorPolicy": "report"},
    {f"{DISK}.shareable": True, f"{DISK}.cache": "none"},
    {f"{DISK}.dedicatedIOThread": True},
    {f"{DISK}.disk": {"bus": "scsi"}, f"{DISK}.dedicatedIOThread": True},
    {f"{DISK}.disk": {"bus": "sata"}, f"{DISK}.dedicatedIOThread": False},
    {f"{DISK_1}.cdrom": {"bus": "usb", "tray": "open"}},
    {**CLAIM, DISK: {"name": "root", "lun": {"bus": "usb"}}},
    {VOL: {"name": "root", "dataVolume": {"name": "a"}}, DISK: {"name": "root", "lun": {"bus": "scsi"}}},
]


@pytest.mark.parametrize("edits", RIGHT)
def test_a_disk_that_can_be_is_accepted(edits: Object) -> None:
    expect_right(edits)


@pytest.mark.parametrize("edits", [{f"{DISK}.disk": {"readonly": True}}, {DISK: {"name": "root", "disk": {}}}])
def test_what_a_bus_left_open_can_do_is_judged_when_defaults_have_chosen_it(edits: Object) -> None:
    edits = {**edits, f"{DISK}.dedicatedIOThread": True}
    expect_right(edits)
    spec = edited(edits)
    fill_instance(spec, PLAIN)
    assert {each.field for each in validate_spec(spec, "spec", PLAIN)} >= {f"spec.{FIELD}.dedicatedIOThread"}


def test_an_empty_cdrom_is_behind_the_gate_of_volumes_that_are_declared_later() -> None:
    off = Configuration({"developerConfiguration": {"disabledFeatureGates": ["DeclarativeHotplugVolumes"]}})
    edits = {DISK_1: {"name": "empty", "cdrom": {}}}
    expect((edits, f"{FIELD_1}.cdrom", FORBIDDEN, "the feature gate DeclarativeHotplugVolumes is off"), off)
    expect_right(edits, PLAIN)


def test_a_lun_is_reserved_where_the_administrator_permits_it() -> None:
    permits = Configuration({"persistentReservationConfiguration": {"enabled": True}})
    expect_right({**CLAIM, DISK: {"name": "root", "lun": {"reservation": True}}}, permits)


def test_downward_metrics_are_accepted_on_a_disk_whose_bus_is_virtio_or_left_open() -> None:
    for bus in ({"bus": "virtio"}, {}):
        expect_right({**METRICS, f"{DISK}.disk": bus}, gates("DownwardMetrics"))
