"""A preference fills in what an instance leaves open, and nothing else."""

from copy import deepcopy
from typing import Any

import pytest

from kube.instancetypes.fields import field, put
from kube.instancetypes.preferences import apply_preference

Object = dict[str, Any]
EMPTY: Object = {"spec": {"domain": {"devices": {}}}}


def applied(path: str, value: Any, subject: Object = EMPTY) -> Object:
    preference: Object = {}
    put(preference, path, value)
    subject = deepcopy(subject)
    apply_preference(preference, subject)
    return subject


@pytest.mark.parametrize(
    ("path", "value", "at", "own"),
    [
        ("machine.preferredMachineType", "q35", "domain.machine.type", "pc"),
        ("clock.preferredTimer", {"hpet": {}}, "domain.clock.timer", {"pit": {}}),
        ("clock.preferredClockOffset", {"utc": {}}, "domain.clock", {"utc": {"offsetSeconds": 60}}),
        ("preferredSubdomain", "sub", "subdomain", "other"),
        ("preferredTerminationGracePeriodSeconds", 180, "terminationGracePeriodSeconds", 0),
        ("preferredArchitecture", "arm64", "architecture", "amd64"),
        ("preferredLaunchSecurity", {"sev": {}}, "domain.launchSecurity", {"tdx": {}}),
        ("devices.preferredUseVirtioTransitional", True, "domain.devices.useVirtioTransitional", False),
        ("devices.preferredBlockMultiQueue", True, "domain.devices.blockMultiQueue", False),
        ("devices.preferredNetworkInterfaceMultiQueue", True, "domain.devices.networkInterfaceMultiqueue", False),
        ("devices.preferredRng", {}, "domain.devices.rng", {}),
        ("devices.preferredTPM", {}, "domain.devices.tpm", {"persistent": True}),
        ("devices.preferredVideoType", "virtio", "domain.devices.video.type", "vga"),
        ("devices.preferredAutoattachGraphicsDevice", False, "domain.devices.autoattachGraphicsDevice", True),
        ("devices.preferredAutoattachMemBalloon", False, "domain.devices.autoattachMemBalloon", True),
        ("devices.preferredAutoattachPodInterface", False, "domain.devices.autoattachPodInterface", True),
        ("devices.preferredAutoattachSerialConsole", False, "domain.devices.autoattachSerialConsole", True),
        ("devices.preferredAutoattachInputDevice", True, "domain.devices.autoattachInputDevice", False),
        ("features.preferredApic", {"endOfInterrupt": True}, "domain.features.apic", {"enabled": False}),
        ("features.preferredKvm", {"hidden": True}, "domain.features.kvm", {"hidden": False}),
        ("features.preferredPvspinlock", {"enabled": True}, "domain.features.pvspinlock", {"enabled": False}),
        ("features.preferredSmm", {"enabled": True}, "domain.features.smm", {"enabled": False}),
        ("features.preferredHyperv.relaxed", {"enabled": True}, "domain.features.hyperv.relaxed", {"enabled": False}),
        ("firmware.preferredEfi", {"secureBoot": True}, "domain.firmware.bootloader.efi", {"secureBoot": False}),
    ],
)
def test_what_is_open_is_filled_in_and_what_is_said_stays(path: str, value: Any, at: str, own: Any) -> None:
    assert field(applied(path, value)["spec"], at) == value
    subject = deepcopy(EMPTY)
    put(subject, f"spec.{at}", own)
    assert applied(path, value, subject) == subject


@pytest.mark.parametrize(
    ("path", "value", "at"),
    [
        ("devices.preferredDisableHotplug", True, "domain.devices.disableHotplug"),
        ("features.preferredAcpi", {"enabled": False}, "domain.features.acpi"),
    ],
)
def test_two_preferences_win_always(path: str, value: Any, at: str) -> None:
    subject = deepcopy(EMPTY)
    put(subject, f"spec.{at}", "own")
    assert field(applied(path, value, subject)["spec"], at) == value


def devices(**said: Any) -> Object:
    return {"spec": {"domain": {"devices": said}, "networks": [{"name": "pod", "pod": {}}, {"name": "other"}]}}


THREAD, VIRTIO = "preferredDiskDedicatedIoThread", {"disk": {"bus": "virtio"}}


@pytest.mark.parametrize(
    ("path", "value", "disk", "after"),
    [
        ("preferredDiskBus", "virtio", {"disk": {}}, VIRTIO),
        ("preferredDiskBus", "virtio", {}, VIRTIO),
        ("preferredDiskBus", "virtio", {"disk": {"bus": "sata"}}, {"disk": {"bus": "sata"}}),
        ("preferredDiskBus", "virtio", {"cdrom": {}}, {"cdrom": {}}),
        ("preferredCdromBus", "scsi", {"cdrom": {}}, {"cdrom": {"bus": "scsi"}}),
        ("preferredLunBus", "scsi", {"lun": {}}, {"lun": {"bus": "scsi"}}),
        ("preferredDiskCache", "none", {"disk": {}}, {"disk": {}, "cache": "none"}),
        ("preferredDiskCache", "none", {"cdrom": {}}, {"cdrom": {}}),
        ("preferredDiskIO", "native", {"disk": {}}, {"disk": {}, "io": "native"}),
        ("preferredDiskBlockSize", {"matchVolume": {}}, {"disk": {}}, {"disk": {}, "blockSize": {"matchVolume": {}}}),
        (THREAD, True, VIRTIO, {**VIRTIO, "dedicatedIOThread": True}),
        (THREAD, True, {"disk": {"bus": "sata"}}, {"disk": {"bus": "sata"}}),
    ],
)
def test_disks(path: str, value: Any, disk: Object, after: Object) -> None:
    subject = applied(f"devices.{path}", value, devices(disks=[{"name": "root", **disk}]))
    assert subject["spec"]["domain"]["devices"]["disks"] == [{"name": "root", **after}]


@pytest.mark.parametrize(
    ("path", "value", "interface", "after"),
    [
        ("preferredInterfaceModel", "e1000", {"name": "pod"}, {"name": "pod", "model": "e1000"}),
        ("preferredInterfaceModel", "e1000", {"name": "pod", "model": "rtl8139"}, {"name": "pod", "model": "rtl8139"}),
        ("preferredInterfaceMasquerade", {}, {"name": "pod"}, {"name": "pod", "masquerade": {}}),
        ("preferredInterfaceMasquerade", {}, {"name": "pod", "bridge": {}}, {"name": "pod", "bridge": {}}),
        ("preferredInterfaceMasquerade", {}, {"name": "other"}, {"name": "other"}),
    ],
)
def test_interfaces(path: str, value: Any, interface: Object, after: Object) -> None:
    subject = applied(f"devices.{path}", value, devices(interfaces=[interface]))
    assert subject["spec"]["domain"]["devices"]["interfaces"] == [after]


@pytest.mark.parametrize(
    ("path", "value", "own", "after"),
    [
        ("preferredInputBus", "virtio", {"inputs": [{}]}, {"inputs": [{"bus": "virtio"}]}),
        ("preferredInputBus", "virtio", {"inputs": [{"bus": "usb"}]}, {"inputs": [{"bus": "usb"}]}),
        ("preferredInputType", "tablet", {"inputs": [{}]}, {"inputs": [{"type": "tablet"}]}),
        ("preferredSoundModel", "ac97", {}, {}),
        ("preferredSoundModel", "ac97", {"sound": {"name": "s"}}, {"sound": {"name": "s", "model": "ac97"}}),
        ("preferredPanicDeviceModel", "isa", {}, {"panicDevices": [{"model": "isa"}]}),
        (
            "preferredPanicDeviceModel",
            "isa",
            {"panicDevices": [{"model": "hyperv"}, {}]},
            {"panicDevices": [{"model": "hyperv"}, {"model": "isa"}]},
        ),
    ],
)
def test_other_devices(path: str, value: Any, own: Object, after: Object) -> None:
    assert applied(f"devices.{path}", value, devices(**own))["spec"]["domain"]["devices"] == after


def test_cpu_features_are_added_by_name() -> None:
    subject = {"spec": {"domain": {"cpu": {"features": [{"name": "vmx", "policy": "disable"}]}}}}
    preferred = [{"name": "vmx", "policy": "require"}, {"name": "aes"}]
    after = applied("cpu.preferredCPUFeatures", preferred, subject)["spec"]["domain"]["cpu"]["features"]
    assert after == [{"name": "vmx", "policy": "disable"}, {"name": "aes"}]


def test_a_clock_with_a_time_zone_is_left_alone() -> None:
    own = {"timezone": "Europe/Berlin"}
    after = applied("clock.preferredClockOffset", {"utc": {}}, {"spec": {"domain": {"clock": own}}})
    assert after["spec"]["domain"]["clock"] == own


@pytest.mark.parametrize(
    ("firmware", "own", "after"),
    [
        ({"preferredUseEfi": True}, {"bios": {}}, {"bios": {}}),
        ({"preferredUseEfi": True, "preferredUseSecureBoot": True}, {}, {"efi": {"secureBoot": True}}),
        ({"preferredUseSecureBoot": True}, {"efi": {}}, {"efi": {"secureBoot": True}}),
        ({"preferredUseSecureBoot": True}, {"bios": {}}, {"bios": {}}),
        ({"preferredEfi": {}, "preferredUseSecureBoot": True}, {}, {"efi": {}}),
        ({"preferredUseBios": True, "preferredUseBiosSerial": True}, {}, {"bios": {"useSerial": True}}),
        ({"preferredUseBios": True, "preferredEfi": {}}, {}, {"bios": {}}),
        ({"preferredUseBios": True}, {"efi": {}}, {"efi": {}}),
        ({"preferredEfi": {}}, {"bios": {}}, {"bios": {}}),
    ],
)
def test_one_firmware_only(firmware: Object, own: Object, after: Object) -> None:
    subject = {"spec": {"domain": {"firmware": {"bootloader": own}}}}
    assert applied("firmware", firmware, subject)["spec"]["domain"]["firmware"]["bootloader"] == after


def test_annotations_are_added_and_never_replaced() -> None:
    subject = {"metadata": {"annotations": {"a": "own"}}, **EMPTY}
    assert applied("annotations", {"a": "1", "b": "2"}, subject)["metadata"]["annotations"] == {"a": "own", "b": "2"}
