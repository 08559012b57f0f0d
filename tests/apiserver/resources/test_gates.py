"""Features behind gates that are off."""

import pytest

from apiserver.resources.gates import gate_errors
from kube.configuration import Configuration


def configured(**developer: list[str]) -> Configuration:
    return Configuration({"developerConfiguration": developer})


def test_a_feature_whose_gate_is_on_is_not_refused() -> None:
    assert not [*gate_errors(configured(featureGates=["HostDisk"]), "HostDisk", "spec.volumes[0].hostDisk")]
    assert not [*gate_errors(Configuration(), "NUMA", "spec.domain.cpu.numa")]


@pytest.mark.parametrize(
    ("gate", "configuration", "way_out"),
    [
        ("HostDisk", Configuration(), "add it to featureGates"),
        ("Snapshot", configured(disabledFeatureGates=["Snapshot"]), "remove it from disabledFeatureGates"),
        ("HostDisk", configured(disabledFeatureGates=["HostDisk"]), "remove it from disabledFeatureGates"),
        ("Macvtap", configured(featureGates=["Macvtap"]), "its feature no longer exists"),
    ],
)
def test_a_feature_whose_gate_is_off_is_refused_with_its_name_and_the_way_out(
    gate: str, configuration: Configuration, way_out: str
) -> None:
    (error,) = gate_errors(configuration, gate, "spec.feature")
    assert (error.reason, error.field) == ("FieldValueForbidden", "spec.feature")
    assert error.message.startswith(f"Forbidden: the feature gate {gate} is off; {way_out}")
