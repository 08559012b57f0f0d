"""What the configuration of the system changes in every domain."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from kube.configuration import Configuration
from tests.nodeagent.domain.guests import ARM, KVM, built, vmi, written


def domain(configuration: dict[str, Any], guest: dict[str, Any] | None = None, **how: Any) -> ET.Element:
    return built(vmi(guest), configuration=Configuration(configuration), **how)


def smbios(configuration: dict[str, Any]) -> dict[str, str | None]:
    return {entry.get("name", ""): entry.text for entry in domain(configuration).iterfind("sysinfo/system/entry")}


def test_guests_read_who_made_their_machine() -> None:
    said = {"smbios": {"manufacturer": "Example Ltd", "product": "Cloud", "version": "1", "sku": "S", "family": "F"}}
    assert smbios(said).items() >= said["smbios"].items()
    assert smbios({}).items() >= {"manufacturer": "KubeVirt", "family": "KubeVirt", "product": "None"}.items()


def test_no_guest_uses_kvm_where_emulation_is_asked_for() -> None:
    emulated = domain({"developerConfiguration": {"useEmulation": True}}, host=KVM)
    assert emulated.get("type") == "qemu"
    assert written(emulated.find("cpu")).startswith('<cpu mode="maximum"')
    assert domain({}, host=KVM).get("type") == "kvm"


@pytest.mark.parametrize(
    ("said", "balloon"),
    [
        ({}, '<memballoon model="virtio-non-transitional" freePageReporting="on"><stats period="10" /></memballoon>'),
        (
            {"memBalloonStatsPeriod": 3, "virtualMachineOptions": {"disableFreePageReporting": {}}},
            '<memballoon model="virtio-non-transitional" freePageReporting="off"><stats period="3" /></memballoon>',
        ),
        (
            {"memBalloonStatsPeriod": 0},
            '<memballoon model="virtio-non-transitional" freePageReporting="on" />',
        ),
    ],
)
def test_the_balloon_reports_as_often_and_as_much_as_is_asked_for(said: dict[str, Any], balloon: str) -> None:
    assert written(domain(said).find("devices/memballoon")) == balloon


@pytest.mark.parametrize(("devices", "logged"), [({}, False), ({"logSerialConsole": True}, True)])
def test_the_serial_console_is_logged_unless_the_configuration_says_no_and_the_guest_not_yes(
    devices: dict[str, Any], logged: bool
) -> None:
    found = domain({"virtualMachineOptions": {"disableSerialConsoleLog": {}}}, {"devices": devices})
    assert (found.find("devices/serial/log") is not None) is logged


EFI = {"firmware": {"bootloader": {"efi": {}}}}
PLAIN_EFI = {"firmware": {"bootloader": {"efi": {"secureBoot": False}}}}


@pytest.mark.parametrize(
    ("architecture", "host", "guest", "files"),
    [
        ("amd64", KVM, EFI, ("OVMF_CODE.secboot.fd", "yes", "OVMF_VARS.secboot.fd")),
        ("amd64", KVM, PLAIN_EFI, ("OVMF_CODE.fd", "no", "OVMF_VARS.fd")),
        ("arm64", ARM, EFI, ("AAVMF_CODE.fd", "no", "AAVMF_VARS.fd")),
    ],
)
def test_the_firmware_comes_from_the_directory_that_is_named(
    architecture: str, host: Any, guest: dict[str, Any], files: tuple[str, str, str]
) -> None:
    said = {"architectureConfiguration": {architecture: {"ovmfPath": "/firmware"}}}
    os = domain(said, guest, host=host).find("os")
    assert os is not None
    assert os.get("firmware") is None
    loader, nvram = os.find("loader"), os.find("nvram")
    assert loader is not None
    assert nvram is not None
    code, secure, variables = files
    assert (loader.text, loader.get("secure")) == (f"/firmware/{code}", secure)
    assert nvram.get("template") == f"/firmware/{variables}"
