"""Rules of the board, its firmware, and how QEMU runs it."""

import pytest

from kube.configuration import Configuration
from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    FORBIDDEN,
    INVALID,
    PLAIN,
    REQUIRED,
    UNSUPPORTED,
    Case,
    Object,
    expect,
    expect_right,
)

TYPE, ACPI, EFI = "domain.machine.type", "domain.firmware.acpi", "domain.firmware.bootloader.efi"
POLICY, COUNT = "domain.ioThreadsPolicy", "domain.ioThreads.supplementalPoolThreadCount"
SECRET = {"volumes.2": {"name": "slic", "secret": {"secretName": "s"}}}
EMPTY = {"volumes.2": {"name": "slic", "emptyDisk": {"capacity": "1Gi"}}}
TDX = {"domain.launchSecurity": {"tdx": {}}}
DISKLESS: Object = {"domain.devices.disks": [], "volumes": []}

CASES: list[Case] = [
    ({TYPE: "pc"}, TYPE, INVALID, "q35*, pc-q35*"),
    ({TYPE: "pc-i440fx-9.0"}, TYPE, INVALID, "emulatedMachines"),
    ({TYPE: "virt"}, TYPE, INVALID, "q35*"),
    ({TYPE: "q35", "architecture": "arm64", **DISKLESS}, TYPE, INVALID, "virt*"),
    ({TYPE: "virt", "architecture": "s390x"}, TYPE, INVALID, "s390-ccw-virtio*"),
    ({POLICY: "many"}, POLICY, UNSUPPORTED, "supplementalPool"),
    ({POLICY: ""}, POLICY, UNSUPPORTED, "shared"),
    ({POLICY: "supplementalPool"}, COUNT, INVALID, "at least 1"),
    ({POLICY: "supplementalPool", COUNT: 0}, COUNT, INVALID, "at least 1"),
    ({COUNT: -1}, COUNT, INVALID, "negative"),
    ({"domain.rebootPolicy": "Never"}, "domain.rebootPolicy", UNSUPPORTED, "Terminate"),
    ({ACPI: {}}, ACPI, REQUIRED, "slicNameRef, msdmNameRef or both"),
    ({ACPI: {"slicNameRef": "slic"}}, f"{ACPI}.slicNameRef", INVALID, "no volume of this name in spec.volumes"),
    ({ACPI: {"msdmNameRef": "slic"}, **EMPTY}, f"{ACPI}.msdmNameRef", INVALID, "whose source is a secret"),
    ({EFI: {"secureBoot": True}}, f"{EFI}.secureBoot", INVALID, "smm.enabled: true"),
    (
        {"startStrategy": "Paused", "livenessProbe": {"guestAgentPing": {}}},
        "startStrategy",
        FORBIDDEN,
        "remove one of the two",
    ),
]


@pytest.mark.parametrize("case", CASES)
def test_a_board_that_cannot_be_is_refused(case: Case) -> None:
    expect(case)


RIGHT: list[Object] = [
    {TYPE: "q35"},
    {TYPE: "pc-q35-9.0"},
    {TYPE: ""},
    {TYPE: "virt-9.0", "architecture": "arm64", **DISKLESS},
    {TYPE: "s390-ccw-virtio-9.0", "architecture": "s390x"},
    {POLICY: "shared"},
    {POLICY: "auto"},
    {POLICY: "supplementalPool", COUNT: 1},
    {"domain.rebootPolicy": "Terminate"},
    {ACPI: {"slicNameRef": "slic", "msdmNameRef": "slic"}, **SECRET},
    {EFI: {"secureBoot": True}, "domain.features.smm": {}},
    {"startStrategy": "Paused", "readinessProbe": {"guestAgentPing": {}}},
]


@pytest.mark.parametrize("edits", RIGHT)
def test_a_board_that_can_be_is_accepted(edits: Object) -> None:
    expect_right(edits)


def test_the_administrator_says_which_boards_there_are() -> None:
    older = Configuration({"architectureConfiguration": {"amd64": {"emulatedMachines": ["pc-i440fx-*"]}}})
    expect_right({TYPE: "pc-i440fx-9.0"}, older)
    expect(({TYPE: "q35"}, TYPE, INVALID, "pc-i440fx-*"), older)


def test_what_a_reboot_does_is_behind_a_gate() -> None:
    off = Configuration({"developerConfiguration": {"disabledFeatureGates": ["RebootPolicy"]}})
    reboots = {"domain.rebootPolicy": "Terminate"}
    expect((reboots, "domain.rebootPolicy", FORBIDDEN, "feature gate RebootPolicy is off"), off)
    expect_right(reboots, PLAIN)


def test_secure_boot_needs_no_smm_where_tdx_keeps_its_keys() -> None:
    on = Configuration({"developerConfiguration": {"featureGates": ["WorkloadEncryptionTDX"]}})
    expect_right({EFI: {"secureBoot": True}, **TDX}, on)
