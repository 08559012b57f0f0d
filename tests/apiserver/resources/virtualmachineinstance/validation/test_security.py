"""Rules of guests that the host cannot look into."""

import pytest

from kube.configuration import Configuration
from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    FORBIDDEN,
    Case,
    Object,
    expect,
    expect_right,
)

SECURITY, EFI = "domain.launchSecurity", "domain.firmware.bootloader.efi"
OPEN = {EFI: {"secureBoot": False}}
PAUSED = {"startStrategy": "Paused"}
ON = Configuration({"developerConfiguration": {"featureGates": ["WorkloadEncryptionTDX"]}})
OFF = Configuration({"developerConfiguration": {"disabledFeatureGates": ["WorkloadEncryptionSEV"]}})

CASES: list[Case] = [
    ({SECURITY: {}, **OPEN}, SECURITY, FORBIDDEN, "choose one of sev, snp, tdx"),
    ({SECURITY: {"sev": {}, "snp": {}}, **OPEN}, SECURITY, FORBIDDEN, "choose one"),
    ({SECURITY: {"sev": {}}}, SECURITY, FORBIDDEN, "sev needs domain.firmware.bootloader.efi"),
    ({SECURITY: {"tdx": {}}}, SECURITY, FORBIDDEN, "tdx needs"),
    (
        {SECURITY: {"sev": {}}, EFI: {}, "domain.features.smm": {}},
        SECURITY,
        FORBIDDEN,
        "secure boot does not work with sev",
    ),
    ({SECURITY: {"snp": {}}, EFI: {"secureBoot": False, "persistent": True}}, SECURITY, FORBIDDEN, "kept with snp"),
    ({SECURITY: {"tdx": {}}, EFI: {"persistent": True}}, SECURITY, FORBIDDEN, "kept with tdx"),
    ({SECURITY: {"tdx": {}}, EFI: {}, "domain.features.smm": {}}, SECURITY, FORBIDDEN, "smm does not work with tdx"),
    ({SECURITY: {"sev": {"attestation": {}}}, **OPEN}, f"{SECURITY}.sev.attestation", FORBIDDEN, "Paused"),
    (
        {SECURITY: {"sev": {}}, **OPEN, "domain.devices.interfaces.0.bootOrder": 1},
        "domain.devices.interfaces[0].bootOrder",
        FORBIDDEN,
        "a guest with sev cannot boot from the network",
    ),
    ({SECURITY: {"sev": {}}, "architecture": "arm64", "domain.devices.disks": []}, SECURITY, FORBIDDEN, "on arm64"),
]


@pytest.mark.parametrize("case", CASES)
def test_a_guest_that_cannot_be_hidden_is_refused(case: Case) -> None:
    expect(case, ON)


RIGHT: list[Object] = [
    {SECURITY: {"sev": {}}, EFI: {"secureBoot": False, "persistent": True}},
    {SECURITY: {"sev": {"attestation": {}}}, **OPEN, **PAUSED},
    {SECURITY: {"snp": {}}, **OPEN},
    {SECURITY: {"tdx": {}}, EFI: {}},
    {SECURITY: {}, "architecture": "s390x"},
]


@pytest.mark.parametrize("edits", RIGHT)
def test_a_guest_that_can_be_hidden_is_accepted(edits: Object) -> None:
    expect_right(edits, ON)


@pytest.mark.parametrize(("kind", "gate"), [("sev", "SEV"), ("snp", "SEV"), ("tdx", "TDX")])
def test_each_technique_is_behind_a_gate(kind: str, gate: str) -> None:
    expect(({SECURITY: {kind: {}}}, SECURITY, FORBIDDEN, f"feature gate WorkloadEncryption{gate} is off"), OFF)
