"""Rules of firmware, boot loader, kernel and boot order."""

import pytest

from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    FORBIDDEN,
    INVALID,
    REQUIRED,
    Case,
    Object,
    expect,
    expect_right,
)

DISK, DISK_1 = "domain.devices.disks.0", "domain.devices.disks.1"
NIC = "domain.devices.interfaces.0"
FW = "domain.firmware"
KERNEL = f"{FW}.kernelBoot"
CONTAINER = f"{KERNEL}.container"

CASES: list[Case] = [
    ({f"{FW}.uuid": "not-a-uuid"}, "domain.firmware.uuid", INVALID, "5d307ca9"),
    ({f"{FW}.uuid": "5d307ca9b3ef428c886106e72d69f223"}, "domain.firmware.uuid", INVALID, "must be a UUID"),
    (
        {f"{FW}.bootloader": {"bios": {}, "efi": {"secureBoot": False}}},
        "domain.firmware.bootloader",
        FORBIDDEN,
        "exclude each other",
    ),
    ({f"{FW}.bootloader": {"efi": {}}}, "domain.firmware.bootloader.efi.secureBoot", INVALID, "smm"),
    (
        {f"{FW}.bootloader": {"efi": {"secureBoot": True}}, "domain.features": {"smm": {"enabled": False}}},
        "domain.firmware.bootloader.efi.secureBoot",
        INVALID,
        "set secureBoot to false",
    ),
    ({f"{KERNEL}.kernelArgs": "quiet"}, "domain.firmware.kernelBoot.container", REQUIRED, "kernelArgs"),
    (
        {CONTAINER: {"image": "", "kernelPath": "/k"}},
        "domain.firmware.kernelBoot.container.image",
        REQUIRED,
        "name an image",
    ),
    ({CONTAINER: {"image": "a"}}, "domain.firmware.kernelBoot.container.kernelPath", REQUIRED, "or both"),
    (
        {CONTAINER: {"image": "a", "kernelPath": "boot/k"}},
        "domain.firmware.kernelBoot.container.kernelPath",
        INVALID,
        "absolute path",
    ),
    (
        {CONTAINER: {"image": "a", "initrdPath": "/a/../../etc/shadow"}},
        "domain.firmware.kernelBoot.container.initrdPath",
        INVALID,
        "without '..'",
    ),
    ({f"{DISK}.bootOrder": 0}, "domain.devices.disks[0].bootOrder", INVALID, "at least 1"),
    (
        {f"{DISK}.bootOrder": 1, f"{DISK_1}.bootOrder": 1},
        "domain.devices.disks[1].bootOrder",
        INVALID,
        "boot order of root, too",
    ),
    (
        {f"{DISK}.bootOrder": 2, f"{NIC}.bootOrder": 2},
        "domain.devices.interfaces[0].bootOrder",
        INVALID,
        "boot order of root",
    ),
]


@pytest.mark.parametrize("case", CASES)
def test_a_start_that_cannot_be_is_refused(case: Case) -> None:
    expect(case)


RIGHT: list[Object] = [
    {f"{FW}.uuid": "5D307CA9-B3EF-428C-8861-06E72D69F223"},
    {f"{FW}.bootloader": {"efi": {}}, "domain.features": {"smm": {}}},
    {f"{FW}.bootloader": {"efi": {"secureBoot": False}}},
    {CONTAINER: {"image": "localhost:5000/a/b:c", "initrdPath": "/boot/i..rd"}},
    {CONTAINER: {"image": "oci-archive:/srv/images/image.tar", "kernelPath": "/boot/vmlinuz"}},
]


@pytest.mark.parametrize("edits", RIGHT)
def test_a_start_that_can_be_is_accepted(edits: Object) -> None:
    expect_right(edits)
