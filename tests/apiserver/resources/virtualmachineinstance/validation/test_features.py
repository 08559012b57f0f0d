"""Rules of Hyper-V's features, which KubeVirt tells for instances alone."""

import pytest

from apiserver.resources.virtualmachineinstance.validation import instance_errors
from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    FORBIDDEN,
    INVALID,
    Case,
    Object,
    edited,
    expect,
)

HYPERV = "domain.features.hyperv"
OFF = {"enabled": False}
POLICY = "domain.cpu.features[0].policy"

CASES: list[Case] = [
    ({HYPERV: {}, "domain.features.hypervPassthrough": {}}, HYPERV, FORBIDDEN, "exclude each other"),
    ({HYPERV: {"synic": {}, "vpindex": OFF}}, f"{HYPERV}.synic", FORBIDDEN, "synic needs vpindex"),
    ({HYPERV: {"ipi": {}, "vpindex": OFF}}, f"{HYPERV}.ipi", FORBIDDEN, "ipi needs vpindex"),
    ({HYPERV: {"tlbflush": {}, "vpindex": OFF}}, f"{HYPERV}.tlbflush", FORBIDDEN, "switch that on, or tlbflush off"),
    ({HYPERV: {"synictimer": {}, "synic": OFF}}, f"{HYPERV}.synictimer", FORBIDDEN, "synictimer needs synic"),
    ({HYPERV: {"evmcs": {}, "vapic": OFF}}, f"{HYPERV}.evmcs", FORBIDDEN, "evmcs needs vapic"),
    (
        {HYPERV: {"evmcs": {}}, "domain.cpu.features": [{"name": "vmx", "policy": "disable"}]},
        POLICY,
        INVALID,
        "vmx with policy require",
    ),
    ({HYPERV: {"evmcs": {}}, "domain.cpu.features": [{"name": "vmx"}]}, POLICY, INVALID, "policy require"),
]


@pytest.mark.parametrize(("edits", "field", "reason", "part"), CASES)
def test_features_that_cannot_be_together_are_refused(edits: Object, field: str, reason: str, part: str) -> None:
    found = list(instance_errors(edited(edits), "spec"))
    assert [(each.field, each.reason) for each in found] == [(f"spec.{field}", reason)]
    assert part in found[0].message


RIGHT: list[Object] = [
    {HYPERV: {"synic": {}}},
    {HYPERV: {"synic": OFF, "vpindex": OFF}},
    {HYPERV: {"evmcs": {}}, "domain.cpu.features": [{"name": "vmx", "policy": "require"}]},
    {HYPERV: {"evmcs": OFF}, "domain.cpu.features": [{"name": "vmx", "policy": "disable"}]},
    {"domain.features.hypervPassthrough": {}},
]


@pytest.mark.parametrize("edits", RIGHT)
def test_features_that_can_be_together_are_accepted(edits: Object) -> None:
    assert list(instance_errors(edited(edits), "spec")) == []


def test_a_negative_number_of_tries_for_a_lock_is_refused() -> None:
    field = f"{HYPERV}.spinlocks.spinlocks"
    expect(({field: -1}, field, INVALID, "negative"))
