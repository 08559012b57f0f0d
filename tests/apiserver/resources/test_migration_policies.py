"""Migration policies: factors in their ranges, and what is behind a gate."""

import pytest

from tests.apiserver.resources.examples import (
    INVALID,
    KINDS,
    USER,
    edited,
    with_gates,
)

POLICY, OPTIONS = "MigrationPolicy", "spec.experimental"

ALL_GATES = ["MigrationStallDetection", "MigrationDowntimeTuning"]
FACTORS = [
    ("ewmaAlpha", "0", "at least 0.001 and at most 1"),
    ("ewmaAlpha", "1100m", "at least 0.001 and at most 1"),
    ("ewmaAlpha", "0.0005", "three decimals"),
    ("precopyPossibleFactor", "0.9", "at least 1"),
    ("patienceWindowDecayFactor", "2", "at least 0 and at most 1"),
    ("completionTimeoutFactor", "-1", "greater than or equal to 0"),
    ("completionTimeoutFactor", "twice", "not a quantity"),
]


@pytest.mark.parametrize(("field", "value", "message"), FACTORS)
def test_a_factor_of_the_stall_detector_is_in_its_range(field: str, value: str, message: str) -> None:
    strategy = with_gates(POLICY, ALL_GATES)
    (error,) = strategy.validate(edited(POLICY, {f"{OPTIONS}.stallDetector": {field: value}}), USER)
    assert (error.field, error.reason) == (f"{OPTIONS}.stallDetector.{field}", INVALID)
    assert message in error.message


@pytest.mark.parametrize("value", ["1", "0.125", "1e0"])
def test_a_factor_with_up_to_three_decimals_is_fine(value: str) -> None:
    policy = edited(POLICY, {f"{OPTIONS}.stallDetector": {"ewmaAlpha": value, "completionTimeoutFactor": "1e200"}})
    assert list(with_gates(POLICY, ALL_GATES).validate(policy, USER)) == []


def test_detecting_stalls_and_tuning_the_downtime_exclude_each_other() -> None:
    both = edited(POLICY, {f"{OPTIONS}.stallDetector": {}, f"{OPTIONS}.downtimeTuning": {}})
    assert [each.field for each in with_gates(POLICY, ALL_GATES).validate(both, USER)] == [OPTIONS]


@pytest.mark.parametrize("gate", ALL_GATES)
def test_either_gate_lets_the_downtime_be_chosen(gate: str) -> None:
    assert list(with_gates(POLICY, [gate]).validate(edited(POLICY, {"spec.maxDowntimeMs": 500}), USER)) == []


def test_what_was_behind_a_gate_that_is_off_by_now_may_stay_but_not_change() -> None:
    old = edited(POLICY, {"spec.maxDowntimeMs": 500, f"{OPTIONS}.downtimeTuning": {"steps": 3}})
    strategy = KINDS[POLICY].strategy
    assert list(strategy.validate_update(old, old, USER)) == []
    new = edited(POLICY, {"spec.maxDowntimeMs": 600, f"{OPTIONS}.downtimeTuning": {"steps": 4}})
    found = [each.field for each in strategy.validate_update(new, old, USER)]
    assert found == ["spec.maxDowntimeMs", f"{OPTIONS}.downtimeTuning"]
