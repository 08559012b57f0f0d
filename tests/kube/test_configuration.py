"""Feature gates: on by maturity, unless the configuration says otherwise."""

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
