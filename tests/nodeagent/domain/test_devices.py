"""Devices of one line: there when asked for, or unless switched off, and never where they cannot be."""

from pathlib import Path
from typing import Any

import pytest

from kube.configuration import Configuration
from nodeagent.domain.facts import HostFacts, UnsupportedError
from nodeagent.domain.graphics import graphics
from nodeagent.domain.serial import serial
from tests.nodeagent.domain.guests import ARM, KVM, built, vmi, with_devices, written

VIRTIO = "virtio-non-transitional"
SOCKET = '<source mode="bind" path="/var/lib/virtplane/run/serial.sock" />'
SERIAL_LOG = f'<serial type="unix">{SOCKET}<log file="/var/lib/virtplane/run/serial.log" append="on" /></serial>'
CONSOLE = '<console type="unix"><target type="serial" port="0" /></console>'


@pytest.mark.parametrize(
    ("tag", "devices", "expected"),
    [
        ("serial", {}, SERIAL_LOG),
        ("serial", {"logSerialConsole": False}, f'<serial type="unix">{SOCKET}</serial>'),
        ("serial", {"autoattachSerialConsole": False}, ""),
        ("console", {}, CONSOLE),
        ("console", {"autoattachSerialConsole": False}, ""),
        (
            "channel",
            {"autoattachSerialConsole": False},
            '<channel type="unix"><target type="virtio" name="org.qemu.guest_agent.0" /></channel>',
        ),
        (
            "graphics",
            {},
            '<graphics type="vnc"><listen type="socket" socket="/var/lib/virtplane/run/vnc.sock" /></graphics>',
        ),
        ("graphics", {"autoattachGraphicsDevice": False}, ""),
        ("video", {}, '<video><model type="vga" vram="16384" heads="1" /></video>'),
        ("video", {"video": {"type": "virtio"}}, '<video><model type="virtio" heads="1" /></video>'),
        ("video", {"video": {"type": "ramfb"}}, '<video><model type="ramfb" /></video>'),
        ("video", {"autoattachGraphicsDevice": False}, ""),
        ("rng", {}, ""),
        ("rng", {"rng": {}}, f'<rng model="{VIRTIO}"><backend model="random">/dev/urandom</backend></rng>'),
        ("watchdog", {}, ""),
        ("watchdog", {"watchdog": {"name": "w"}}, '<watchdog model="i6300esb" action="reset" />'),
        (
            "watchdog",
            {"watchdog": {"name": "w", "i6300esb": {"action": "poweroff"}}},
            '<watchdog model="i6300esb" action="poweroff" />',
        ),
        ("sound", {}, ""),
        ("sound", {"sound": {"name": "s"}}, '<sound model="ich9" />'),
        ("sound", {"sound": {"name": "s", "model": "ac97"}}, '<sound model="ac97" />'),
        ("memballoon", {"autoattachMemBalloon": False}, '<memballoon model="none" />'),
        (
            "memballoon",
            {},
            f'<memballoon model="{VIRTIO}" freePageReporting="on"><stats period="10" /></memballoon>',
        ),
        ("input", {}, ""),
        ("input", {"inputs": [{"name": "t"}]}, '<input type="tablet" bus="usb" />'),
        (
            "input",
            {"inputs": [{"name": "t", "bus": "virtio", "type": "tablet"}]},
            '<input type="tablet" bus="virtio" model="virtio" />',
        ),
    ],
)
def test_a_device_is_there_as_the_spec_says(tag: str, devices: dict[str, Any], expected: str) -> None:
    assert written(with_devices(**devices).find(tag)) == expected


def test_libvirt_chooses_the_screens_socket_where_ours_would_have_too_long_a_path() -> None:
    longest, too_long = Path("/" + "d" * 106), Path("/" + "é" * 54)
    ours = f'<graphics type="vnc"><listen type="socket" socket="{longest}" /></graphics>'
    assert written(graphics({}, longest)) == ours
    assert written(graphics({}, too_long)) == '<graphics type="vnc"><listen type="socket" /></graphics>'


def test_a_console_whose_socket_would_have_too_long_a_path_is_a_terminal_of_the_node() -> None:
    quiet = {"logSerialConsole": False}
    port, console = serial(quiet, Path("/" + "d" * 95), Configuration({}))
    assert written(port) == '<serial type="pty" />'
    assert written(console) == CONSOLE.replace("unix", "pty")


def test_efi_has_a_card_of_its_own_and_arm_another() -> None:
    efi = built(vmi({"firmware": {"bootloader": {"efi": {}}}})).find("devices/video/model")
    assert written(efi) == '<model type="bochs" vram="16384" heads="1" />'
    assert written(with_devices(ARM).find("video/model")) == '<model type="virtio" heads="1" />'


def test_a_screen_without_ps2_gets_tablet_and_keyboard() -> None:
    usb = [("tablet", "usb"), ("keyboard", "usb")]
    assert [(one.get("type"), one.get("bus")) for one in with_devices(ARM).iterfind("input")] == usb
    own = with_devices(ARM, inputs=[{"name": "t", "bus": "virtio"}])
    assert [(one.get("type"), one.get("bus")) for one in own.iterfind("input")] == [("tablet", "virtio"), usb[1]]
    assert with_devices(ARM, autoattachGraphicsDevice=False).find("input") is None


@pytest.mark.parametrize("device", ["watchdog", "sound"])
def test_what_only_a_pc_has_is_refused_elsewhere(device: str) -> None:
    with pytest.raises(UnsupportedError, match="none for aarch64") as caught:
        with_devices(ARM, **{device: {"name": "x"}})
    assert caught.value.field == f"domain.devices.{device}"


def models(kind: str, host: HostFacts = KVM, machine: str | None = None, **devices: Any) -> list[str | None]:
    found = with_devices(host, machine, **devices)
    return [each.get("model") for each in found.iterfind(f"controller[@type='{kind}']")]


def test_usb_is_there_for_what_is_on_it_only() -> None:
    assert models("usb") == ["none"]
    assert models("usb", inputs=[{"name": "t", "bus": "virtio"}]) == ["none"]
    assert models("usb", inputs=[{"name": "t", "bus": "usb"}]) == ["qemu-xhci"]
    assert models("usb", disks=[{"name": "d", "disk": {"bus": "usb"}}]) == ["qemu-xhci"]


def test_scsi_is_there_for_what_is_on_it_only() -> None:
    assert models("scsi", disks=[{"name": "d", "disk": {"bus": "sata"}}]) == []
    assert models("scsi", disks=[{"name": "d", "disk": {"bus": "scsi"}}], useVirtioTransitional=True) == [
        "virtio-transitional"
    ]


@pytest.mark.parametrize(
    ("devices", "taken"),
    [
        ({"autoattachMemBalloon": False}, 1),
        ({}, 2),
        ({"rng": {}, "watchdog": {"name": "w"}, "sound": {"name": "s"}}, 4),
        ({"interfaces": [{"name": "a"}, {"name": "b"}]}, 4),
        ({"disks": [{"name": "a", "disk": {"bus": "virtio"}}, {"name": "b", "disk": {"bus": "sata"}}]}, 3),
        ({"disks": [{"name": "a", "disk": {"bus": "scsi"}}, {"name": "b", "disk": {"bus": "usb"}}]}, 4),
        ({"inputs": [{"name": "a", "bus": "virtio"}, {"name": "b", "bus": "usb"}]}, 4),
    ],
)
def test_four_root_ports_stay_free_for_devices_to_come(devices: dict[str, Any], taken: int) -> None:
    assert models("pci", **devices) == ["pcie-root", *["pcie-root-port"] * (taken + 4)]


def test_there_are_no_root_ports_where_nothing_can_be_plugged() -> None:
    assert models("pci", machine="pc") == []
    assert models("pci", disableHotplug=True) == []
    assert models("pci", ARM)[0] == "pcie-root"
