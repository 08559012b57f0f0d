"""Rules of guests of arm64."""

import pytest

from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    FORBIDDEN,
    UNSUPPORTED,
    Case,
    Object,
    expect,
    expect_right,
)

SCSI = {"architecture": "arm64", "domain.devices.disks.1.cdrom.bus": "scsi"}

CASES: list[Case] = [
    (
        SCSI | {"domain.firmware.bootloader": {"bios": {}}},
        "domain.firmware.bootloader.bios",
        FORBIDDEN,
        "use efi",
    ),
    (SCSI | {"domain.cpu.model": "host-model"}, "domain.cpu.model", UNSUPPORTED, "host-passthrough"),
    (
        {"architecture": "arm64"},
        "domain.devices.disks[1].cdrom.bus",
        UNSUPPORTED,
        "scsi",
    ),
    (SCSI | {"domain.devices.disks.0.disk.bus": "usb"}, "domain.devices.disks[0].disk.bus", UNSUPPORTED, "virtio"),
    (SCSI | {"domain.devices.disks.0.disk.bus": "ide"}, "domain.devices.disks[0].disk.bus", UNSUPPORTED, "virtio"),
    (
        SCSI
        | {
            "domain.devices.disks.0": {"name": "root", "lun": {"bus": "sata"}},
            "volumes.0": {"name": "root", "persistentVolumeClaim": {"claimName": "a"}},
        },
        "domain.devices.disks[0].lun.bus",
        UNSUPPORTED,
        "virtio",
    ),
    (SCSI | {"domain.devices.sound": {"name": "s"}}, "domain.devices.sound", FORBIDDEN, "no sound card on arm64"),
]


@pytest.mark.parametrize("case", CASES)
def test_what_arm64_does_not_have_is_refused(case: Case) -> None:
    expect(case)


RIGHT: list[Object] = [
    SCSI,
    SCSI | {"domain.cpu.model": "host-passthrough"},
    SCSI | {"domain.firmware.bootloader": {"efi": {"secureBoot": False}}},
    {"architecture": "amd64", "domain.cpu.model": "host-model", "domain.firmware.bootloader": {"bios": {}}},
]


@pytest.mark.parametrize("edits", RIGHT)
def test_what_it_has_is_accepted(edits: Object) -> None:
    expect_right(edits)
