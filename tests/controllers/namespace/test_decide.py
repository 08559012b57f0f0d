"""What is said of a namespace that is being emptied."""

from datetime import UTC, datetime

from client.kinds import CONFIG_MAP, VIRTUAL_MACHINE
from controllers.namespace.decide import Left, conditions
from kube.conditions import Condition, get_condition

BEFORE, NOW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
HELD = {"metadata": {"finalizers": ["a/b", "c/d"]}}


def condition(found: list[Condition], kind: str) -> Condition:
    condition = get_condition(found, kind)
    assert condition is not None
    return condition


def test_nothing_left_is_nothing_to_wait_for() -> None:
    left = Left()
    left.note(CONFIG_MAP, [])
    assert not left
    assert {each["status"] for each in conditions((), left, NOW)} == {"False"}


def test_what_is_left_is_counted_by_kind_and_by_finalizer() -> None:
    left = Left()
    left.note(VIRTUAL_MACHINE, [HELD])
    left.note(CONFIG_MAP, [HELD, {"metadata": {"finalizers": ["a/b"]}}, {"metadata": {}}])
    assert left
    found = conditions((), left, NOW)
    content, finalizers = (
        condition(found, "NamespaceContentRemaining"),
        condition(found, "NamespaceFinalizersRemaining"),
    )
    assert content["reason"] == "SomeResourcesRemain"
    assert content["message"] == (
        "Some resources are remaining: configmaps. has 3 resource instances, "
        "virtualmachines.kubevirt.io has 1 resource instances"
    )
    assert finalizers["reason"] == "SomeFinalizersRemain"
    assert finalizers["message"] == (
        "Some content in the namespace has finalizers remaining: "
        "a/b in 3 resource instances, c/d in 2 resource instances"
    )


def test_failures_are_told() -> None:
    left = Left(failures=["z is broken", "a is broken"])
    assert left
    told = condition(conditions((), left, NOW), "NamespaceDeletionContentFailure")
    assert (told["status"], told["reason"]) == ("True", "ContentDeletionFailed")
    assert told["message"] == "Failed to delete all resource types, 2 remaining: a is broken, z is broken"


def test_a_condition_keeps_its_date_until_its_status_changes() -> None:
    left = Left()
    left.note(CONFIG_MAP, [HELD])
    first = conditions((), left, BEFORE)
    left.note(CONFIG_MAP, [HELD])
    more = condition(conditions(first, left, NOW), "NamespaceContentRemaining")
    assert more["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    over = condition(conditions(first, Left(), NOW), "NamespaceContentRemaining")
    assert (over["status"], over["lastTransitionTime"]) == ("False", "2026-01-02T00:00:00Z")
