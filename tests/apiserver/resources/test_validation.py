"""What no schema can refuse: each rule with an object that breaks it, and what its author is told."""

import base64
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller
from apiserver.resources.virtualmachine.strategy import VirtualMachineStrategy
from apiserver.resources.virtualmachineinstance.defaults import fill_instance
from apiserver.resources.virtualmachineinstance.strategy import VirtualMachineInstanceStrategy
from apiserver.resources.virtualmachineinstance.validation import validate_spec
from kube.configuration import Configuration
from tests.apiserver.resources.generated import Generator
from tests.apiserver.resources.surroundings import PLAIN, gates

Object = dict[str, Any]

USER = Caller("jane")


def valid() -> Object:
    return {
        "domain": {
            "memory": {"guest": "128Mi"},
            "devices": {
                "disks": [{"name": "root", "disk": {"bus": "virtio"}}, {"name": "seed", "cdrom": {"bus": "sata"}}],
                "interfaces": [{"name": "default", "masquerade": {}}],
            },
        },
        "networks": [{"name": "default", "pod": {}}],
        "volumes": [
            {"name": "root", "containerDisk": {"image": "quay.io/containerdisks/debian:12"}},
            {"name": "seed", "cloudInitNoCloud": {"userData": "#cloud-config"}},
        ],
    }


def put(spec: Object, path: str, value: Any) -> None:
    """Set the value at a path such as ``domain.devices.disks.0.serial``; a list grows by one at its end."""
    *ahead, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    at: Any = spec
    for part in ahead:
        at = at.setdefault(part, {}) if isinstance(at, dict) else at[part]
    if isinstance(at, list) and last == len(at):
        at.append(value)
    else:
        at[last] = value


def edited(edits: Object) -> Object:
    spec = valid()
    for path, value in edits.items():
        put(spec, path, value)
    return spec


DISK, DISK_1 = "domain.devices.disks.0", "domain.devices.disks.1"
NIC = "domain.devices.interfaces.0"
RES = "domain.resources"
FW = "domain.firmware"
VOL, SEED = "volumes.0", "volumes.1"
CLOUD = f"{SEED}.cloudInitNoCloud"
KERNEL = f"{FW}.kernelBoot"
CONTAINER = f"{KERNEL}.container"
KIB3 = "x" * 3000
SECOND = {"name": "b", "masquerade": {}, "macAddress": "02:00:00:00:00:01"}
HOST_DISK = {"path": "/disks/a.img", "type": "Disk"}

INVALID, REQUIRED, FORBIDDEN = "FieldValueInvalid", "FieldValueRequired", "FieldValueForbidden"
UNSUPPORTED, DUPLICATE, TOO_LONG = "FieldValueNotSupported", "FieldValueDuplicate", "FieldValueTooLong"

CASES: list[tuple[Object, str, str, str]] = [
    # memory and other resources
    ({"domain.memory": {}}, "domain.memory.guest", REQUIRED, "such as 512Mi"),
    ({"domain.memory.guest": "0"}, "domain.memory.guest", INVALID, "at least 1Mi"),
    ({"domain.memory.guest": "-64Mi"}, "domain.memory.guest", INVALID, "at least 1Mi"),
    ({"domain.memory.guest": "512"}, "domain.memory.guest", INVALID, "another unit"),
    ({"domain.memory.guest": 1024}, "domain.memory.guest", INVALID, "at least 1Mi"),
    ({"domain.memory.guest": "512MB"}, "domain.memory.guest", INVALID, "not a quantity"),
    ({"domain.memory.guest": "17Ti"}, "domain.memory.guest", INVALID, "at most 16Ti"),
    ({"domain.memory.guest": "1e300"}, "domain.memory.guest", INVALID, "at most 16Ti"),
    ({f"{RES}.limits": {"memory": "64Mi"}}, "domain.memory.guest", INVALID, "limits.memory, 64Mi"),
    (
        {f"{RES}.requests": {"memory": "512Mi"}, f"{RES}.limits": {"memory": "256Mi"}},
        "domain.resources.requests.memory",
        INVALID,
        "at most the limit, 256Mi",
    ),
    ({f"{RES}.requests": {"memory": "1k"}}, "domain.resources.requests.memory", INVALID, "at least 1M"),
    ({f"{RES}.requests": {"memory": "99Ti"}}, "domain.resources.requests.memory", INVALID, "at most 16Ti"),
    ({f"{RES}.limits": {"memory": "99Ti"}}, "domain.resources.limits.memory", INVALID, "at most 16Ti"),
    ({f"{RES}.requests": {"cpu": "many"}}, "domain.resources.requests.cpu", INVALID, "not a quantity"),
    ({f"{RES}.requests": {"cpu": "-1"}}, "domain.resources.requests.cpu", INVALID, "at least 0"),
    (
        {f"{RES}.requests": {"cpu": "2"}, f"{RES}.limits": {"cpu": "1500m"}},
        "domain.resources.requests.cpu",
        INVALID,
        "at most the limit, 1500m",
    ),
    # CPUs
    ({"domain.cpu.cores": -1}, "domain.cpu.cores", INVALID, "at least 1"),
    ({"domain.cpu.sockets": -2}, "domain.cpu.sockets", INVALID, "at least 1"),
    ({"domain.cpu": {"sockets": 32, "cores": 8, "threads": 4}}, "domain.cpu", INVALID, "is 1024; a guest"),
    ({"domain.cpu.cores": 100000}, "domain.cpu", INVALID, "at most 512"),
    (
        {"domain.cpu.features": [{"name": "pcid", "policy": "please"}]},
        "domain.cpu.features[0].policy",
        UNSUPPORTED,
        "require",
    ),
    ({"domain.cpu.features": [{"name": "a"}, {"name": "a"}]}, "domain.cpu.features[1].name", DUPLICATE, "a"),
    ({"domain.cpu.features": [{"name": ""}]}, "domain.cpu.features[0].name", REQUIRED, ""),
    # firmware and boot
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
    # clock
    ({"domain.clock": {"utc": {}, "timezone": "Europe/Berlin"}}, "domain.clock", FORBIDDEN, "exclude each other"),
    ({"domain.clock": {"timezone": "Berlin, Germany"}}, "domain.clock.timezone", INVALID, "Europe/Berlin"),
    ({"domain.clock.timer.rtc.tickPolicy": "merge"}, "domain.clock.timer.rtc.tickPolicy", UNSUPPORTED, "catchup"),
    ({"domain.clock.timer.hpet.tickPolicy": "x"}, "domain.clock.timer.hpet.tickPolicy", UNSUPPORTED, "discard"),
    ({"domain.clock.timer.rtc.track": "sun"}, "domain.clock.timer.rtc.track", UNSUPPORTED, "wall"),
    # other devices
    ({"domain.devices.inputs": [{"name": "", "type": "tablet"}]}, "domain.devices.inputs[0].name", REQUIRED, ""),
    (
        {"domain.devices.inputs": [{"name": "a", "type": "mouse"}]},
        "domain.devices.inputs[0].type",
        UNSUPPORTED,
        "tablet",
    ),
    (
        {"domain.devices.inputs": [{"name": "a", "type": "tablet", "bus": "ps2"}]},
        "domain.devices.inputs[0].bus",
        UNSUPPORTED,
        "usb",
    ),
    (
        {"domain.devices.inputs": [{"name": "a", "type": "tablet"}, {"name": "a", "type": "tablet"}]},
        "domain.devices.inputs[1].name",
        DUPLICATE,
        "a",
    ),
    (
        {"domain.devices.watchdog": {"name": "w", "i6300esb": {"action": "explode"}}},
        "domain.devices.watchdog.i6300esb.action",
        UNSUPPORTED,
        "reset",
    ),
    (
        {"architecture": "arm64", "domain.devices.watchdog": {"name": "w"}},
        "domain.devices.watchdog",
        FORBIDDEN,
        "on arm64",
    ),
    ({"domain.devices.sound": {"name": ""}}, "domain.devices.sound.name", REQUIRED, ""),
    (
        {"domain.devices.sound": {"name": "s", "model": "sb16"}},
        "domain.devices.sound.model",
        UNSUPPORTED,
        "ich9",
    ),
    ({"domain.devices.video": {"type": "qxl"}}, "domain.devices.video.type", UNSUPPORTED, "bochs"),
    (
        {"domain.devices.video": {}, "domain.devices.autoattachGraphicsDevice": False},
        "domain.devices.video",
        FORBIDDEN,
        "remove one of the two",
    ),
    # disks
    ({f"{DISK_1}.name": "root"}, "domain.devices.disks[1].name", DUPLICATE, "root"),
    ({f"{DISK}.name": "rot"}, "domain.devices.disks[0].name", INVALID, "no volume of this name in spec.volumes"),
    ({f"{DISK}.cdrom": {}}, "domain.devices.disks[0]", FORBIDDEN, "disk and cdrom exclude each other"),
    ({f"{DISK}.disk.bus": "ide"}, "domain.devices.disks[0].disk.bus", UNSUPPORTED, "virtio"),
    ({f"{DISK_1}.cdrom.bus": "virtio"}, "domain.devices.disks[1].cdrom.bus", UNSUPPORTED, "sata"),
    ({DISK: {"name": "root", "lun": {}}}, "domain.devices.disks[0].lun", FORBIDDEN, "use disk"),
    ({f"{DISK_1}.cdrom.tray": "ajar"}, "domain.devices.disks[1].cdrom.tray", UNSUPPORTED, "closed"),
    (
        {f"{DISK}.disk": {"bus": "sata", "readonly": True}},
        "domain.devices.disks[0].disk.readonly",
        FORBIDDEN,
        "set bus to virtio",
    ),
    (
        {f"{DISK}.disk": {"readonly": True}},
        "domain.devices.disks[0].disk.readonly",
        FORBIDDEN,
        "SATA",
    ),
    (
        {f"{DISK}.disk.pciAddress": "81:01.0"},
        "domain.devices.disks[0].disk.pciAddress",
        INVALID,
        "0000:81:01.0",
    ),
    (
        {f"{DISK}.disk": {"bus": "scsi", "pciAddress": "0000:81:01.0"}},
        "domain.devices.disks[0].disk.pciAddress",
        FORBIDDEN,
        "only a disk with bus virtio",
    ),
    ({f"{DISK}.serial": "a b"}, "domain.devices.disks[0].serial", INVALID, "letters, digits"),
    ({f"{DISK}.serial": "a" * 257}, "domain.devices.disks[0].serial", INVALID, "256"),
    ({f"{DISK}.cache": "unsafe"}, "domain.devices.disks[0].cache", UNSUPPORTED, "writeback"),
    ({f"{DISK}.io": "fast"}, "domain.devices.disks[0].io", UNSUPPORTED, "native"),
    ({f"{DISK}.errorPolicy": "retry"}, "domain.devices.disks[0].errorPolicy", UNSUPPORTED, "enospace"),
    (
        {f"{DISK}.shareable": True, f"{DISK}.cache": "writeback"},
        "domain.devices.disks[0].cache",
        INVALID,
        "set cache to none",
    ),
    # volumes
    (
        {"volumes.2": {"name": "root", "emptyDisk": {"capacity": "1Gi"}}},
        "volumes[2].name",
        DUPLICATE,
        "root",
    ),
    ({"volumes.2": {"name": "A_b", "emptyDisk": {"capacity": "1Gi"}}}, "volumes[2].name", INVALID, "lower case"),
    ({VOL: {"name": "root"}}, "volumes[0]", REQUIRED, "containerDisk, cloudInitNoCloud, emptyDisk, hostDisk"),
    ({f"{VOL}.emptyDisk": {"capacity": "1Gi"}}, "volumes[0]", FORBIDDEN, "containerDisk and emptyDisk exclude"),
    ({f"{VOL}.containerDisk.image": ""}, "volumes[0].containerDisk.image", REQUIRED, "debian:12"),
    (
        {f"{VOL}.containerDisk.image": "docker://debian"},
        "volumes[0].containerDisk.image",
        INVALID,
        "without docker://",
    ),
    ({f"{VOL}.containerDisk.image": "Debian:12"}, "volumes[0].containerDisk.image", INVALID, "is no image"),
    ({f"{VOL}.containerDisk.image": "a b"}, "volumes[0].containerDisk.image", INVALID, "is no image"),
    ({f"{VOL}.containerDisk.image": "oci:layout:x"}, "volumes[0].containerDisk.image", INVALID, "oci:/srv/images/"),
    ({f"{VOL}.containerDisk.image": "oci-archive:/a/../b"}, "volumes[0].containerDisk.image", INVALID, "without '..'"),
    ({f"{VOL}.containerDisk.image": "a@sha256:12"}, "volumes[0].containerDisk.image", INVALID, "is no image"),
    ({f"{VOL}.containerDisk.path": "disk.img"}, "volumes[0].containerDisk.path", INVALID, "absolute"),
    ({CLOUD: {}}, "volumes[1].cloudInitNoCloud.userData", REQUIRED, "secretRef or network data"),
    ({CLOUD: {"userData": ""}}, "volumes[1].cloudInitNoCloud.userData", REQUIRED, "give userData"),
    (
        {f"{CLOUD}.secretRef": {"name": "s"}},
        "volumes[1].cloudInitNoCloud.secretRef",
        FORBIDDEN,
        "userData and secretRef exclude",
    ),
    (
        {f"{CLOUD}.networkData": "a", f"{CLOUD}.networkDataBase64": "YQ=="},
        "volumes[1].cloudInitNoCloud.networkDataBase64",
        FORBIDDEN,
        "remove one",
    ),
    (
        {f"{CLOUD}.networkDataSecretRef": {}},
        "volumes[1].cloudInitNoCloud.networkDataSecretRef.name",
        REQUIRED,
        "name the Secret",
    ),
    ({CLOUD: {"userData": KIB3}}, "volumes[1].cloudInitNoCloud.userData", TOO_LONG, "3000 bytes"),
    ({CLOUD: {"userData": "ä" * 1025}}, "volumes[1].cloudInitNoCloud.userData", TOO_LONG, "2050 bytes"),
    (
        {CLOUD: {"userDataBase64": base64.b64encode(KIB3.encode()).decode()}},
        "volumes[1].cloudInitNoCloud.userDataBase64",
        TOO_LONG,
        "secretRef",
    ),
    ({CLOUD: {"userDataBase64": "#cloud"}}, "volumes[1].cloudInitNoCloud.userDataBase64", INVALID, "for plain text"),
    (
        {f"{CLOUD}.networkData": KIB3},
        "volumes[1].cloudInitNoCloud.networkData",
        TOO_LONG,
        "networkDataSecretRef",
    ),
    (
        {"volumes.2": {"name": "more", "cloudInitNoCloud": {"userData": "a"}}},
        "volumes[2].cloudInitNoCloud",
        FORBIDDEN,
        "volumes[1] is one already",
    ),
    (
        {VOL: {"name": "root", "emptyDisk": {"capacity": "0"}}},
        "volumes[0].emptyDisk.capacity",
        INVALID,
        "more than 0",
    ),
    (
        {VOL: {"name": "root", "emptyDisk": {"capacity": "big"}}},
        "volumes[0].emptyDisk.capacity",
        INVALID,
        "not a quantity",
    ),
    (
        {VOL: {"name": "root", "emptyDisk": {"capacity": "8Ei"}}},
        "volumes[0].emptyDisk.capacity",
        INVALID,
        "at most 4Ei",
    ),
    ({VOL: {"name": "root", "hostDisk": HOST_DISK | {"path": ""}}}, "volumes[0].hostDisk.path", REQUIRED, "a file"),
    (
        {VOL: {"name": "root", "hostDisk": HOST_DISK | {"path": "a.img"}}},
        "volumes[0].hostDisk.path",
        INVALID,
        "absolute path",
    ),
    (
        {VOL: {"name": "root", "hostDisk": HOST_DISK | {"path": "/disks/a\x01"}}},
        "volumes[0].hostDisk.path",
        INVALID,
        "control characters",
    ),
    (
        {VOL: {"name": "root", "hostDisk": HOST_DISK | {"path": "/disks/../etc/shadow"}}},
        "volumes[0].hostDisk.path",
        INVALID,
        "without '..'",
    ),
    (
        {VOL: {"name": "root", "hostDisk": HOST_DISK | {"type": "File"}}},
        "volumes[0].hostDisk.type",
        UNSUPPORTED,
        "DiskOrCreate",
    ),
    (
        {VOL: {"name": "root", "hostDisk": HOST_DISK | {"type": "DiskOrCreate"}}},
        "volumes[0].hostDisk.capacity",
        REQUIRED,
        "10Gi",
    ),
    (
        {VOL: {"name": "root", "hostDisk": HOST_DISK | {"capacity": "1Gi"}}},
        "volumes[0].hostDisk.capacity",
        FORBIDDEN,
        "DiskOrCreate",
    ),
    (
        {VOL: {"name": "root", "hostDisk": HOST_DISK | {"type": "DiskOrCreate", "capacity": "-1Gi"}}},
        "volumes[0].hostDisk.capacity",
        INVALID,
        "more than 0",
    ),
    # networks
    ({"networks": []}, "domain.devices.interfaces[0].name", INVALID, "no network of this name in spec.networks"),
    (
        {"domain.devices.interfaces": []},
        "networks[0].name",
        INVALID,
        "no interface of this name in spec.domain.devices.interfaces",
    ),
    ({"networks.0": {"name": "default"}}, "networks[0].pod", REQUIRED, "pod: {}"),
    (
        {"networks.1": {"name": "b", "pod": {}}, "domain.devices.interfaces.1": SECOND},
        "networks[1].pod",
        FORBIDDEN,
        "only one interface",
    ),
    ({NIC: {"name": "default"}}, "domain.devices.interfaces[0]", REQUIRED, "masquerade: {}"),
    ({f"{NIC}.slirp": {}}, "domain.devices.interfaces[0]", FORBIDDEN, "masquerade and slirp exclude"),
    (
        {NIC: {"name": "default", "macvtap": {}}},
        "domain.devices.interfaces[0].macvtap",
        FORBIDDEN,
        "not available",
    ),
    ({NIC: {"name": "default", "passt": {}}}, "domain.devices.interfaces[0].passt", FORBIDDEN, "not available"),
    (
        {NIC: {"name": "default", "binding": {"name": "magic"}}},
        "domain.devices.interfaces[0].binding.name",
        UNSUPPORTED,
        "slirp",
    ),
    ({f"{NIC}.model": "ne1000"}, "domain.devices.interfaces[0].model", UNSUPPORTED, "e1000e"),
    ({f"{NIC}.macAddress": "de-ad-00-00-be-af"}, "domain.devices.interfaces[0].macAddress", INVALID, "colons"),
    ({f"{NIC}.macAddress": "02:00"}, "domain.devices.interfaces[0].macAddress", INVALID, "six pairs"),
    ({f"{NIC}.macAddress": "01:00:5e:00:00:01"}, "domain.devices.interfaces[0].macAddress", INVALID, "group"),
    ({f"{NIC}.macAddress": "02:00:00:00:00:00"}, "domain.devices.interfaces[0].macAddress", INVALID, "reserved"),
    ({f"{NIC}.state": "absent"}, "domain.devices.interfaces[0].state", UNSUPPORTED, "down"),
    ({f"{NIC}.pciAddress": "x"}, "domain.devices.interfaces[0].pciAddress", INVALID, "0000:81:01.0"),
    ({f"{NIC}.acpiIndex": 0}, "domain.devices.interfaces[0].acpiIndex", INVALID, "between 1 and 16383"),
    ({f"{NIC}.ports": [{"port": 0}]}, "domain.devices.interfaces[0].ports[0].port", INVALID, "65535"),
    ({f"{NIC}.ports": [{"port": 65536}]}, "domain.devices.interfaces[0].ports[0].port", INVALID, "65535"),
    (
        {f"{NIC}.ports": [{"port": 1, "protocol": "ICMP"}]},
        "domain.devices.interfaces[0].ports[0].protocol",
        UNSUPPORTED,
        "UDP",
    ),
    (
        {f"{NIC}.ports": [{"port": 1, "name": "Not_a_name"}]},
        "domain.devices.interfaces[0].ports[0].name",
        INVALID,
        "15",
    ),
    (
        {f"{NIC}.ports": [{"port": 1, "name": "a"}, {"port": 2, "name": "a"}]},
        "domain.devices.interfaces[0].ports[1].name",
        DUPLICATE,
        "a",
    ),
    (
        {f"{NIC}.ports": [{"port": 1}, {"port": 1, "protocol": "TCP"}]},
        "domain.devices.interfaces[0].ports[1]",
        DUPLICATE,
        "1",
    ),
    # placement
    ({"hostname": "a.b"}, "hostname", INVALID, "RFC 1123"),
    ({"hostname": "a" * 64}, "hostname", INVALID, "63"),
    ({"subdomain": "-a"}, "subdomain", INVALID, "subdomain"),
    ({"architecture": "vax"}, "architecture", UNSUPPORTED, "amd64"),
    ({"startStrategy": "Running"}, "startStrategy", UNSUPPORTED, "Paused"),
    ({"evictionStrategy": "Maybe"}, "evictionStrategy", UNSUPPORTED, "LiveMigrate"),
    ({"terminationGracePeriodSeconds": -1}, "terminationGracePeriodSeconds", INVALID, "switch off at once"),
    ({"terminationGracePeriodSeconds": 2**31}, "terminationGracePeriodSeconds", INVALID, "a number of seconds"),
    ({"nodeSelector": {"-": "a"}}, "nodeSelector", INVALID, "alphanumeric"),
    # text
    ({"domain.chassis.serial": "a\x00b"}, "domain.chassis.serial", INVALID, "control characters"),
    ({f"{DISK}.tag": "\x1b[31m"}, "domain.devices.disks[0].tag", INVALID, "control characters"),
]


@pytest.mark.parametrize(("edits", "field", "reason", "part"), CASES)
def test_each_mistake_is_told_once_with_its_place(edits: Object, field: str, reason: str, part: str) -> None:
    found = list(validate_spec(edited(edits), "spec", Configuration()))
    assert [(each.field, each.reason) for each in found] == [(f"spec.{field}", reason)]
    assert part in found[0].message


def test_a_feature_behind_a_gate_that_is_off_is_refused_with_the_gates_name() -> None:
    spec = edited({"domain.devices.autoattachVSOCK": True})
    (found,) = validate_spec(spec, "spec", Configuration())
    assert (found.field, found.reason) == ("spec.domain.devices.autoattachVSOCK", FORBIDDEN)
    assert "feature gate VSOCK is off" in found.message
    assert list(validate_spec(spec, "spec", gates("VSOCK").configuration)) == []


RIGHT: list[Object] = [
    {},
    {"domain.memory": {}, f"{RES}.requests": {"memory": "1Gi"}},
    {"domain.memory": {}, f"{RES}.limits": {"memory": "1Gi", "cpu": 2}},
    {"domain.memory.guest": "16Ti"},
    {"domain.memory.guest": 2**30},
    {"domain.memory.guest": "1.5Gi", f"{RES}.requests": {"memory": "1Gi"}},
    {"domain.cpu": {"sockets": 0, "cores": 4, "threads": 2, "features": [{"name": "pcid"}]}},
    {f"{FW}.uuid": "5D307CA9-B3EF-428C-8861-06E72D69F223"},
    {f"{FW}.bootloader": {"efi": {}}, "domain.features": {"smm": {}}},
    {f"{FW}.bootloader": {"efi": {"secureBoot": False}}},
    {CONTAINER: {"image": "localhost:5000/a/b:c", "initrdPath": "/boot/i..rd"}},
    {f"{VOL}.containerDisk.image": "registry.example.com:5000/a/b_c--d@sha256:" + "0" * 64},
    {f"{VOL}.containerDisk.image": "[::1]:5000/debian"},
    {f"{VOL}.containerDisk.image": "oci:/srv/images/layout:virtplane/busybox:latest"},
    {CONTAINER: {"image": "oci-archive:/srv/images/image.tar", "kernelPath": "/boot/vmlinuz"}},
    {CLOUD: {"secretRef": {"name": "s"}, "networkDataBase64": "YQ=="}},
    {CLOUD: {"networkData": "a"}},
    {CLOUD: {"userDataBase64": "aGVs\r\nbG8=\n"}},
    {VOL: {"name": "root", "hostDisk": {"path": "/a/b", "type": "DiskOrCreate", "capacity": "1G"}}},
    {"domain.devices.disks": []},
    {"domain.devices.interfaces": [], "networks": []},
    {NIC: {"name": "default", "binding": {"name": "slirp"}, "macAddress": "DE:AD:00:00:BE:AF", "state": "down"}},
    {f"{NIC}.ports": [{"port": 80, "name": "http-80"}, {"port": 80, "protocol": "UDP"}]},
    {"domain.clock": {"utc": {"offsetSeconds": -3600}, "timer": {"hpet": {"present": False, "tickPolicy": "merge"}}}},
    {"domain.devices.watchdog": {"name": "w", "i6300esb": {"action": "poweroff"}}},
    {"nodeSelector": {"kubernetes.io/hostname": "one"}, "hostname": "a-1", "subdomain": "b.c"},
]


@pytest.mark.parametrize("edits", RIGHT)
def test_what_is_right_is_accepted_with_and_without_defaults(edits: Object) -> None:
    spec = edited(edits)
    assert list(validate_spec(spec, "spec", Configuration())) == []
    fill_instance(spec, Configuration())
    assert list(validate_spec(spec, "spec", Configuration())) == []


def test_everything_wrong_is_told_at_once() -> None:
    wrong = {"hostname": "_", "domain.memory.guest": "0", f"{DISK}.name": "x", f"{NIC}.model": "y"}
    fields = {each.field for each in validate_spec(edited(wrong), "spec", Configuration())}
    assert fields == {
        "spec.hostname",
        "spec.domain.memory.guest",
        "spec.domain.devices.disks[0].name",
        "spec.domain.devices.interfaces[0].model",
    }


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(Generator("v1").of("VirtualMachineInstanceSpec"))
def test_no_spec_that_fits_the_schema_breaks_a_rule_itself(spec: Object) -> None:
    for each in validate_spec(spec, "spec", Configuration()):
        assert isinstance(each, FieldError)


def machine(spec: Object, **power: Any) -> Object:
    return {"metadata": {"name": "vm"}, "spec": {**power, "template": {"spec": spec}}}


POWER_CASES = [
    ({}, "spec.running", "exactly one"),
    ({"running": True, "runStrategy": "Always"}, "spec.running", "exactly one"),
    ({"runStrategy": "Sometimes"}, "spec.runStrategy", "RerunOnFailure"),
]


@pytest.mark.parametrize(("power", "field", "part"), POWER_CASES)
def test_a_machine_has_one_run_strategy(power: Object, field: str, part: str) -> None:
    (found,) = VirtualMachineStrategy(PLAIN).validate(machine(valid(), **power), USER)
    assert found.field == field
    assert part in found.message


def test_a_name_that_no_domain_can_have_is_refused() -> None:
    named = {"name": "n" * 200, "namespace": "s" * 41}
    for strategy, new in (
        (VirtualMachineStrategy(PLAIN), {**machine(valid(), running=True), "metadata": named}),
        (VirtualMachineInstanceStrategy(PLAIN), {"metadata": named, "spec": valid()}),
    ):
        (found,) = strategy.validate(new, USER)
        assert (found.field, "no more than 199" in found.message) == ("metadata.name", True)
        named["name"] = "n" * 199
        assert list(strategy.validate(new, USER)) == []
        named["name"] = "n" * 200


def test_a_machines_template_is_judged_where_it_is() -> None:
    wrong = machine(edited({f"{DISK}.name": "x"}), runStrategy="Always")
    wrong["spec"]["template"]["metadata"] = {"labels": {"a b": "c"}, "annotations": {"d e": "f"}}
    found = {each.field: each.message for each in VirtualMachineStrategy(PLAIN).validate(wrong, USER)}
    assert found.keys() == {
        "spec.template.metadata.labels",
        "spec.template.metadata.annotations",
        "spec.template.spec.domain.devices.disks[0].name",
    }
    assert "spec.template.spec.volumes" in found["spec.template.spec.domain.devices.disks[0].name"]


def test_a_template_stored_under_older_rules_can_be_switched_but_not_changed() -> None:
    old = machine(edited({"hostname": "_"}), runStrategy="Always")
    halted = machine(edited({"hostname": "_"}), runStrategy="Halted")
    changed = machine(edited({"hostname": "_", "subdomain": "a"}), runStrategy="Always")
    strategy = VirtualMachineStrategy(PLAIN)
    assert list(strategy.validate_update(halted, old, USER)) == []
    assert [each.field for each in strategy.validate_update(changed, old, USER)] == ["spec.template.spec.hostname"]


def test_only_the_system_says_where_an_instance_is() -> None:
    label = "kubevirt.io/nodeName"
    instance = {"metadata": {"labels": {label: "one"}}, "spec": valid()}
    strategy = VirtualMachineInstanceStrategy(PLAIN)
    assert [each.field for each in strategy.validate(instance, USER)] == [f"metadata.labels[{label}]"]
    assert list(strategy.validate(instance, Caller("controllers", system=True))) == []
    unlabelled = {"metadata": {}, "spec": valid()}
    assert [each.reason for each in strategy.validate_update(unlabelled, instance, USER)] == [FORBIDDEN]
