"""What an instance's spec leaves open is filled in once, as the system is configured, and what it says stays."""

import copy
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiserver.resources.virtualmachineinstance.defaults import fill_instance
from kube.configuration import Configuration
from tests.apiserver.resources.generated import CATALOGUE, Generator

Object = dict[str, Any]

CONFIGURATIONS: list[Object] = [
    {},
    {"vmRolloutStrategy": "Stage", "evictionStrategy": "LiveMigrate", "cpuModel": "Haswell", "cpuRequest": "300m"},
    {"liveUpdateConfiguration": {"maxCpuSockets": 2, "maxGuest": "4Gi", "maxHotplugRatio": 3}},
    {
        "network": {"defaultNetworkInterface": "masquerade"},
        "architectureConfiguration": {"defaultArchitecture": "s390x"},
    },
]


def filled(
    *, devices: Object | None = None, domain: Object | None = None, said: Object | None = None, **spec: Any
) -> Any:
    made = {"architecture": "amd64", "domain": {"devices": devices or {}, **(domain or {})}, **spec}
    fill_instance(made, Configuration(said))
    return made


def put(spec: Object, path: str, value: Any) -> None:
    *ahead, last = path.split(".")
    for name in ahead:
        spec = spec.setdefault(name, {})
    spec[last] = value


def at(spec: Any, path: str) -> Any:
    for name in path.split("."):
        spec = spec[int(name)] if isinstance(spec, list) else spec.get(name, {})
    return spec


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(Generator("v1").of("VirtualMachineInstanceSpec"), st.sampled_from(CONFIGURATIONS))
def test_filling_in_again_changes_nothing_and_the_result_fits_the_schema(spec: Object, said: Object) -> None:
    configuration = Configuration(said)
    fill_instance(spec, configuration)
    once = copy.deepcopy(spec)
    fill_instance(spec, configuration)
    assert spec == once
    instance = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": {}, "spec": spec}
    schema = CATALOGUE.schema("kubevirt.io", "v1", "VirtualMachineInstance")
    assert schema.prune(instance) == []


def test_a_guest_of_one_word_gets_a_whole_machine() -> None:
    spec = filled(domain={"memory": {"guest": "64Mi"}})
    uuid.UUID(spec["domain"]["firmware"].pop("uuid"))
    assert spec == {
        "architecture": "amd64",
        "domain": {
            "machine": {"type": "q35"},
            "cpu": {"sockets": 1, "cores": 1, "threads": 1, "model": "host-model", "maxSockets": 4},
            "memory": {"guest": "64Mi"},
            "features": {"acpi": {"enabled": True}},
            "firmware": {},
            "devices": {"interfaces": [{"name": "default", "bridge": {}}]},
        },
        "networks": [{"name": "default", "pod": {}}],
    }


CPU, MEMORY, RESOURCES = "domain.cpu", "domain.memory", "domain.resources"
FEATURES, HYPERV = "domain.features", "domain.features.hyperv"
LIVE, ARCHITECTURES = "liveUpdateConfiguration", "architectureConfiguration"
ON, OFF = {"enabled": True}, {"enabled": False}

FILLED: list[tuple[Object, Object, str, Any]] = [
    # (what the spec says, what the configuration says, where something is filled in, what)
    ({}, {ARCHITECTURES: {"defaultArchitecture": "arm64"}}, "architecture", "amd64"),
    ({"architecture": ""}, {ARCHITECTURES: {"defaultArchitecture": "arm64"}}, "architecture", "arm64"),
    ({"architecture": ""}, {ARCHITECTURES: {"defaultArchitecture": "arm64"}}, "domain.machine.type", "virt"),
    ({"domain.machine": {"type": ""}}, {"machineType": "pc-q35-9.0"}, "domain.machine.type", "pc-q35-9.0"),
    ({"domain.machine": {"type": "pc-q35-7.2"}}, {"machineType": "q35"}, "domain.machine.type", "pc-q35-7.2"),
    ({"architecture": "s390x"}, {}, "domain.machine.type", "s390-ccw-virtio"),
    # what is set aside
    ({f"{RESOURCES}.limits": {"cpu": "2"}}, {}, f"{RESOURCES}.requests", {"cpu": "2"}),
    ({f"{RESOURCES}.limits": {"cpu": "2"}}, {"cpuRequest": "300m"}, f"{RESOURCES}.requests", {"cpu": "2"}),
    ({}, {"cpuRequest": "100m"}, RESOURCES, {}),
    ({}, {"cpuRequest": "300m"}, f"{RESOURCES}.requests", {"cpu": "300m"}),
    ({f"{RESOURCES}.requests": {"cpu": "1"}}, {"cpuRequest": "300m"}, f"{RESOURCES}.requests", {"cpu": "1"}),
    ({f"{CPU}.dedicatedCpuPlacement": True}, {"cpuRequest": "300m"}, RESOURCES, {}),
    ({f"{MEMORY}.guest": "1Gi"}, {}, RESOURCES, {}),
    # memory
    ({f"{RESOURCES}.requests": {"memory": "2Gi"}}, {}, f"{MEMORY}.guest", "2Gi"),
    ({f"{RESOURCES}.limits": {"memory": "3Gi"}}, {}, f"{MEMORY}.guest", "3Gi"),
    (
        {f"{RESOURCES}.requests": {"memory": "0"}, f"{RESOURCES}.limits": {"memory": "3Gi"}},
        {},
        f"{MEMORY}.guest",
        "3Gi",
    ),
    ({f"{MEMORY}.guest": "2Gi", f"{RESOURCES}.requests": {"memory": "1Gi"}}, {}, f"{MEMORY}.guest", "2Gi"),
    ({f"{MEMORY}.hugepages": {"pageSize": "2Mi"}}, {}, f"{MEMORY}.guest", "2Mi"),
    ({}, {}, MEMORY, {}),
    # processors
    ({f"{RESOURCES}.limits": {"cpu": "1500m"}}, {}, f"{CPU}.sockets", 2),
    ({f"{RESOURCES}.requests": {"cpu": "3"}}, {}, f"{CPU}.sockets", 3),
    ({f"{RESOURCES}.limits": {"cpu": "4"}, f"{RESOURCES}.requests": {"cpu": "3"}}, {}, f"{CPU}.sockets", 4),
    ({f"{RESOURCES}.limits": {"cpu": "0"}}, {}, f"{CPU}.sockets", 1),
    ({f"{RESOURCES}.limits": {"cpu": "4"}, f"{CPU}.cores": 2}, {}, f"{CPU}.sockets", 1),
    ({f"{CPU}.cores": 2}, {}, f"{CPU}.threads", 1),
    ({}, {"cpuModel": "Haswell"}, f"{CPU}.model", "Haswell"),
    ({f"{CPU}.model": "EPYC"}, {"cpuModel": "Haswell"}, f"{CPU}.model", "EPYC"),
    ({"architecture": "arm64"}, {"cpuModel": "Haswell"}, f"{CPU}.model", "host-passthrough"),
    # room to grow
    ({f"{CPU}.sockets": 3}, {LIVE: {"maxHotplugRatio": 2}}, f"{CPU}.maxSockets", 6),
    ({f"{CPU}.sockets": 3}, {LIVE: {"maxCpuSockets": 8}}, f"{CPU}.maxSockets", 8),
    ({f"{CPU}.sockets": 3}, {LIVE: {"maxCpuSockets": 2}}, f"{CPU}.maxSockets", 3),
    ({f"{CPU}.sockets": 3, f"{CPU}.maxSockets": 5}, {}, f"{CPU}.maxSockets", 5),
    ({f"{CPU}.sockets": 3}, {"vmRolloutStrategy": "Stage"}, f"{CPU}.maxSockets", {}),
    ({f"{CPU}.sockets": 3, "architecture": "arm64"}, {}, f"{CPU}.maxSockets", {}),
    ({f"{CPU}.sockets": 20, f"{CPU}.cores": 8}, {}, f"{CPU}.maxSockets", 64),
    ({f"{CPU}.sockets": 100, f"{CPU}.cores": 6}, {}, f"{CPU}.maxSockets", 100),
    ({f"{MEMORY}.guest": "1Gi"}, {}, f"{MEMORY}.maxGuest", "4Gi"),
    ({f"{MEMORY}.guest": "1536Mi"}, {LIVE: {"maxHotplugRatio": 2}}, f"{MEMORY}.maxGuest", "3Gi"),
    ({f"{MEMORY}.guest": "1Gi"}, {LIVE: {"maxGuest": "6Gi"}}, f"{MEMORY}.maxGuest", "6Gi"),
    ({f"{MEMORY}.guest": "8Gi"}, {LIVE: {"maxGuest": "6Gi"}}, f"{MEMORY}.maxGuest", {}),
    ({f"{MEMORY}.guest": "1Gi"}, {"vmRolloutStrategy": "Stage"}, f"{MEMORY}.maxGuest", {}),
    ({f"{MEMORY}.guest": "1023Mi"}, {}, f"{MEMORY}.maxGuest", {}),
    ({f"{MEMORY}.guest": "1Gi", "architecture": "s390x"}, {}, f"{MEMORY}.maxGuest", {}),
    ({f"{MEMORY}.guest": "1Gi", f"{CPU}.realtime": {}}, {}, f"{MEMORY}.maxGuest", {}),
    ({f"{MEMORY}.guest": "1Gi", "domain.launchSecurity": {"sev": {}}}, {}, f"{MEMORY}.maxGuest", {}),
    # when it moves, and how it is watched
    ({}, {}, "evictionStrategy", {}),
    ({}, {"evictionStrategy": "LiveMigrate"}, "evictionStrategy", "LiveMigrate"),
    ({"evictionStrategy": "None"}, {"evictionStrategy": "LiveMigrate"}, "evictionStrategy", "None"),
    (
        {"livenessProbe": {"exec": {}, "periodSeconds": 5, "timeoutSeconds": 0}},
        {},
        "livenessProbe",
        {"exec": {}, "periodSeconds": 5, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3},
    ),
    ({"readinessProbe": {}}, {}, "readinessProbe.periodSeconds", 10),
    # devices
    (
        {},
        {"network": {"defaultNetworkInterface": "masquerade"}},
        "domain.devices.interfaces.0",
        {"name": "default", "masquerade": {}},
    ),
    ({"domain.devices.autoattachPodInterface": False}, {}, "networks", {}),
    ({"domain.devices.autoattachInputDevice": True}, {}, "domain.devices.inputs.0.type", "tablet"),
    ({"domain.devices.inputs": [{"name": "a", "bus": "virtio"}]}, {}, "domain.devices.inputs.0.bus", "virtio"),
    ({"domain.devices.inputs": [{"name": "a"}]}, {}, "domain.devices.inputs.0.bus", "usb"),
    ({"domain.devices.watchdog": {"name": "w"}}, {}, "domain.devices.watchdog.i6300esb.action", "reset"),
    (
        {"architecture": "s390x", "domain.devices.watchdog": {"name": "w"}},
        {},
        "domain.devices.watchdog",
        {"name": "w", "diag288": {"action": "reset"}},
    ),
    (
        {"domain.devices.gpus": [{"name": "g", "virtualGPUOptions": {"display": {"ramFB": {}}}}]},
        {},
        "domain.devices.gpus.0.virtualGPUOptions.display.ramFB",
        ON,
    ),
    # features and timers
    ({f"{FEATURES}.acpi": OFF}, {}, f"{FEATURES}.acpi", OFF),
    ({"architecture": "s390x"}, {}, f"{FEATURES}.acpi", OFF),
    ({f"{FEATURES}.smm": {}}, {}, f"{FEATURES}.smm", ON),
    ({f"{FEATURES}.apic": {"endOfInterrupt": True}}, {}, f"{FEATURES}.apic.enabled", True),
    ({f"{FEATURES}.kvm": {"hidden": True}}, {}, f"{FEATURES}.kvm", {"hidden": True}),
    ({f"{HYPERV}.relaxed": {}}, {}, HYPERV, {"relaxed": ON}),
    ({f"{HYPERV}.spinlocks": {}}, {}, f"{HYPERV}.spinlocks", {"enabled": True, "spinlocks": 4096}),
    ({f"{HYPERV}.spinlocks": {"enabled": False}}, {}, f"{HYPERV}.spinlocks", OFF),
    ({f"{HYPERV}.synic": {}}, {}, f"{HYPERV}.vpindex", ON),
    (
        {f"{HYPERV}.synictimer": {"direct": {}}},
        {},
        HYPERV,
        {"synictimer": {**ON, "direct": ON}, "synic": ON, "vpindex": ON},
    ),
    ({f"{HYPERV}.tlbflush": {"extended": {}}}, {}, HYPERV, {"tlbflush": {**ON, "extended": ON}, "vpindex": ON}),
    ({f"{HYPERV}.ipi": OFF}, {}, HYPERV, {"ipi": OFF}),
    ({f"{HYPERV}.ipi": {}, f"{HYPERV}.vpindex": OFF}, {}, f"{HYPERV}.vpindex", OFF),
    ({f"{HYPERV}.evmcs": {}}, {}, f"{HYPERV}.vapic", ON),
    ({f"{HYPERV}.evmcs": {}}, {}, f"{CPU}.features", [{"name": "vmx", "policy": "require"}]),
    (
        {f"{HYPERV}.evmcs": {}, f"{CPU}.features": [{"name": "vmx", "policy": "disable"}]},
        {},
        f"{CPU}.features",
        [{"name": "vmx", "policy": "require"}],
    ),
    ({"domain.clock.timer": {"hpet": {"present": False}, "rtc": {}}}, {}, "domain.clock.timer.rtc.present", True),
    ({"domain.clock.timer": {"hpet": {"present": False}, "rtc": {}}}, {}, "domain.clock.timer.hpet.present", False),
    # firmware
    ({"architecture": "arm64"}, {}, "domain.firmware.bootloader", {"efi": {"secureBoot": False}}),
    ({"architecture": "arm64", "domain.firmware.bootloader": {}}, {}, "domain.firmware.bootloader", {}),
    ({"domain.firmware.bootloader": {"efi": {}}}, {}, "domain.firmware.bootloader", {"efi": {}}),
]


@pytest.mark.parametrize(("edits", "said", "path", "value"), FILLED)
def test_what_is_left_open_is_filled_in_as_configured(edits: Object, said: Object, path: str, value: Any) -> None:
    spec: Object = {"architecture": "amd64", "domain": {"devices": {}}}
    for edited, to in edits.items():
        put(spec, edited, copy.deepcopy(to))
    fill_instance(spec, Configuration(said))
    assert at(spec, path) == value


PULL = [
    ("debian", "Always"),
    ("debian:latest", "Always"),
    ("host:5000/debian", "Always"),
    ("debian:12", "IfNotPresent"),
    ("host:5000/debian:12", "IfNotPresent"),
    ("debian@sha256:0", "IfNotPresent"),
]


@pytest.mark.parametrize(("image", "policy"), PULL)
def test_an_image_that_may_move_is_always_pulled(image: str, policy: str) -> None:
    boot = {"firmware": {"kernelBoot": {"container": {"image": image}}}}
    spec = filled(domain=boot, volumes=[{"name": "a", "containerDisk": {"image": image}}])
    assert spec["volumes"][0]["containerDisk"]["imagePullPolicy"] == policy
    assert spec["domain"]["firmware"]["kernelBoot"]["container"]["imagePullPolicy"] == policy


def test_every_volume_gets_a_disk_and_every_disk_a_drive_and_a_bus() -> None:
    disks = [{"name": "b", "blockSize": {"matchVolume": {}}}, {"name": "c", "cdrom": {}}, {"name": "d", "lun": {}}]
    volumes = [{"name": name, "emptyDisk": {"capacity": "1Gi"}} for name in "abcdf"]
    devices = {"disks": disks, "filesystems": [{"name": "f", "virtiofs": {}}]}
    found = filled(devices=devices, volumes=volumes)["domain"]["devices"]["disks"]
    assert found == [
        {"name": "b", "disk": {"bus": "sata"}, "blockSize": {"matchVolume": {"enabled": True}}},
        {"name": "c", "cdrom": {"bus": "sata", "readonly": True, "tray": "closed"}},
        {"name": "d", "lun": {"bus": "sata"}},
        {"name": "a", "disk": {"bus": "sata"}},
    ]


def test_disks_of_other_boards_are_on_virtio() -> None:
    spec = filled(architecture="arm64", volumes=[{"name": "a", "emptyDisk": {"capacity": "1Gi"}}])
    assert spec["domain"]["devices"]["disks"] == [{"name": "a", "disk": {"bus": "virtio"}}]
