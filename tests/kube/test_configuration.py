"""Feature gates are on by maturity, and all else has KubeVirt's defaults, unless the configuration says otherwise."""

from typing import Any

import pytest

from kube.configuration import Configuration, configuration_of, governing


@pytest.mark.parametrize(
    ("gate", "on"), [("HostDisk", False), ("Snapshot", True), ("NUMA", True), ("Macvtap", False), ("NoSuchGate", False)]
)
def test_a_gate_is_on_by_the_maturity_of_its_feature(gate: str, on: bool) -> None:
    assert Configuration().enabled(gate) is on


@pytest.mark.parametrize(("gate", "on"), [("HostDisk", True), ("Macvtap", False), ("NoSuchGate", False)])
def test_a_gate_that_is_listed_is_on_if_there_is_something_behind_it(gate: str, on: bool) -> None:
    assert Configuration({"developerConfiguration": {"featureGates": [gate]}}).enabled(gate) is on


@pytest.mark.parametrize(("gate", "on"), [("Snapshot", False), ("HostDisk", False), ("NUMA", True)])
def test_a_gate_that_is_disabled_is_off_unless_its_feature_is_for_good(gate: str, on: bool) -> None:
    said = {"developerConfiguration": {"featureGates": [gate], "disabledFeatureGates": [gate]}}
    assert Configuration(said).enabled(gate) is on


SETTINGS: list[tuple[str, Any, dict[str, Any], Any]] = [
    ("default_architecture", None, {"architectureConfiguration": {"defaultArchitecture": "arm64"}}, "arm64"),
    ("cpu_model", None, {"cpuModel": "Haswell"}, "Haswell"),
    ("cpu_request", "100m", {"cpuRequest": 1}, "1"),
    ("eviction_strategy", None, {"evictionStrategy": "LiveMigrate"}, "LiveMigrate"),
    ("default_network_interface", "bridge", {"network": {"defaultNetworkInterface": "masquerade"}}, "masquerade"),
    (
        "permits_bridge_on_pod_network",
        True,
        {"network": {"permitBridgeInterfaceOnPodNetwork": False}},
        False,
    ),
    ("network_bindings", {}, {"network": {"binding": {"passt": {}}}}, {"passt": {}}),
    ("persistent_reservation", False, {"persistentReservationConfiguration": {"enabled": True}}, True),
    (
        "persistent_reservation",
        False,
        {"developerConfiguration": {"featureGates": ["PersistentReservation"]}},
        True,
    ),
    ("updates_live", True, {"vmRolloutStrategy": "Stage"}, False),
    ("max_hotplug_ratio", 4, {"liveUpdateConfiguration": {"maxHotplugRatio": 2}}, 2),
    ("max_cpu_sockets", None, {"liveUpdateConfiguration": {"maxCpuSockets": 8}}, 8),
    ("cpu_allocation_ratio", 10, {"developerConfiguration": {"cpuAllocationRatio": 2}}, 2),
    ("memory_overcommit", 100, {"developerConfiguration": {"memoryOvercommit": 150}}, 150),
    ("instances_per_node", None, {"virtualMachineInstancesPerNode": 3}, 3),
    ("use_emulation", False, {"developerConfiguration": {"useEmulation": True}}, True),
    (
        "smbios",
        {"manufacturer": "KubeVirt", "family": "KubeVirt", "product": "None"},
        {"smbios": {"product": "Cloud", "sku": "1", "version": ""}},
        {"manufacturer": "KubeVirt", "family": "KubeVirt", "product": "Cloud", "sku": "1"},
    ),
    ("memory_balloon_seconds", 10, {"memBalloonStatsPeriod": 0}, 0),
    ("reports_free_pages", True, {"virtualMachineOptions": {"disableFreePageReporting": {}}}, False),
    ("keeps_serial_log", True, {"virtualMachineOptions": {"disableSerialConsoleLog": {}}}, False),
    ("max_guest", None, {"liveUpdateConfiguration": {"maxGuest": "8Gi"}}, "8Gi"),
]


@pytest.mark.parametrize(("name", "default", "said", "found"), SETTINGS)
def test_a_setting_has_its_default_until_something_else_is_said(
    name: str, default: Any, said: dict[str, Any], found: Any
) -> None:
    assert getattr(Configuration(), name) == default
    assert getattr(Configuration(said), name) == found


MACHINES = [
    ("amd64", {}, "q35", ("q35*", "pc-q35*")),
    ("arm64", {}, "virt", ("virt*",)),
    ("s390x", {}, "s390-ccw-virtio", ("s390-ccw-virtio*",)),
    ("arm64", {"machineType": "q35", "emulatedMachines": ["q35*"]}, "q35", ("q35*",)),
    (
        "arm64",
        {"architectureConfiguration": {"arm64": {"machineType": "virt-8", "emulatedMachines": ["virt-8*"]}}},
        "virt-8",
        ("virt-8*",),
    ),
    ("amd64", {"architectureConfiguration": {"arm64": {"machineType": "virt-8"}}}, "q35", ("q35*", "pc-q35*")),
]


@pytest.mark.parametrize(("architecture", "said", "chosen", "allowed"), MACHINES)
def test_machine_types_go_by_architecture(
    architecture: str, said: dict[str, Any], chosen: str, allowed: tuple[str, ...]
) -> None:
    configuration = Configuration(said)
    assert configuration.machine_type(architecture) == chosen
    assert configuration.emulated_machines(architecture) == allowed


def test_the_firmware_is_what_the_node_has_until_a_directory_is_named() -> None:
    assert Configuration().ovmf_path("amd64") is None
    said = {"architectureConfiguration": {"amd64": {"ovmfPath": "/firmware"}}}
    assert [Configuration(said).ovmf_path(each) for each in ("amd64", "arm64")] == ["/firmware", None]


def kubevirt(uid: str, created: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": uid, "uid": uid, "creationTimestamp": created}, "spec": spec}


def test_the_oldest_object_governs() -> None:
    older, newer = kubevirt("b", "2026-01-01T00:00:00Z"), kubevirt("a", "2026-01-01T00:00:01Z")
    assert governing([newer, older]) is older
    assert governing([]) is None


def test_without_an_object_or_a_configuration_in_it_all_is_as_by_default() -> None:
    assert configuration_of(None).said == {}
    assert configuration_of(kubevirt("a", "2026-01-01T00:00:00Z")).said == {}
    said = {"cpuModel": "Haswell"}
    assert configuration_of(kubevirt("a", "2026-01-01T00:00:00Z", configuration=said)).said == said
