"""Pools of machines: what stays as it is, and what their template says."""

from tests.apiserver.resources.examples import (
    ABSENT,
    INVALID,
    KINDS,
    USER,
    edited,
)

POOL, MACHINE = "VirtualMachinePool", "spec.virtualMachineTemplate"


def test_a_pool_keeps_its_selector() -> None:
    new = edited(POOL, {"spec.selector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}})
    found = list(KINDS[POOL].strategy.validate_update(new, edited(POOL, {}), USER))
    assert [(each.field, each.reason) for each in found] == [("spec.selector", INVALID)]


def test_a_template_that_was_stored_under_older_rules_may_stay() -> None:
    old = edited(POOL, {f"{MACHINE}.spec.runStrategy": "Sometimes"})
    assert list(KINDS[POOL].strategy.validate_update({**old, "metadata": {}}, old, USER)) == []
    changed = edited(POOL, {f"{MACHINE}.spec.runStrategy": "Sometime"})
    found = list(KINDS[POOL].strategy.validate_update(changed, old, USER))
    assert [each.field for each in found] == [f"{MACHINE}.spec.runStrategy"]


def test_what_a_pools_machines_should_no_longer_use_is_warned_of() -> None:
    power = {f"{MACHINE}.spec.runStrategy": ABSENT, f"{MACHINE}.spec.running": True}
    (warning,) = KINDS[POOL].strategy.warnings(edited(POOL, power))
    assert warning.startswith(f"{MACHINE}.spec.running is deprecated")
