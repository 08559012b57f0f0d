from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from kube.conditions import get_condition, is_true, remove_condition, set_condition

EARLY = datetime(2026, 1, 1, tzinfo=UTC)
LATE = datetime(2026, 1, 2, tzinfo=UTC)


def test_the_time_changes_only_with_the_status() -> None:
    first = set_condition([], {"type": "Ready", "status": "True"}, EARLY)
    same = set_condition(first, {"type": "Ready", "status": "True", "reason": "Other"}, LATE)
    other = set_condition(same, {"type": "Ready", "status": "False"}, LATE)
    assert same == [
        {"type": "Ready", "status": "True", "reason": "Other", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    ]
    assert other[0]["lastTransitionTime"] == "2026-01-02T00:00:00Z"


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from(["True", "False", "Unknown"])), max_size=12))
def test_there_is_one_condition_of_each_type_and_the_last_word_counts(changes: list[tuple[str, str]]) -> None:
    conditions: list[dict[str, str]] = []
    for kind, status in changes:
        conditions = set_condition(conditions, {"type": kind, "status": status}, EARLY)
    assert {each["type"]: each["status"] for each in conditions} == dict(changes)
    assert len(conditions) == len(dict(changes))


def test_a_removed_condition_is_gone() -> None:
    conditions = set_condition([], {"type": "Ready", "status": "True"}, EARLY)
    assert is_true(conditions, "Ready")
    assert get_condition(remove_condition(conditions, "Ready"), "Ready") is None
