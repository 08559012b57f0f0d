"""Feature gates are on by maturity, and all else has KubeVirt's defaults, unless the configuration says otherwise."""

from typing import Any

import pytest

from kube.configuration import Configuration


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
    ("default_network_interface", "masquerade", {"network": {"defaultNetworkInterface": "bridge"}}, "bridge"),
    ("updates_live", True, {"vmRolloutStrategy": "Stage"}, False),
    ("max_hotplug_ratio", 4, {"liveUpdateConfiguration": {"maxHotplugRatio": 2}}, 2),
    ("max_cpu_sockets", None, {"liveUpdateConfiguration": {"maxCpuSockets": 8}}, 8),
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
