"""Rules that remember what they found."""

from collections.abc import Iterator
from typing import Any

from apiserver.machinery.remembering import LONGEST, remembering


def test_a_rule_is_asked_once_about_equal_values_and_of_each_configuration() -> None:
    asked: list[tuple[Any, str]] = []

    @remembering
    def rule(value: Any, configuration: str) -> Iterator[str]:
        asked.append((value, configuration))
        yield f"{value} {configuration}"

    for _ in range(2):
        assert rule({"a": 1}, "x") == ("{'a': 1} x",)
        assert rule({"a": True}, "x") == ("{'a': True} x",)
        assert rule({"a": 1}, "y") == ("{'a': 1} y",)
    assert len(asked) == 3


def test_a_rule_may_change_what_it_judges() -> None:
    @remembering
    def rule(value: Any) -> Iterator[int]:
        value["a"] += 1
        yield value["a"]

    machine = {"a": 1}
    assert [rule(machine), rule(machine)] == [(2,), (2,)]
    assert machine == {"a": 1}


def test_what_is_long_is_judged_each_time() -> None:
    asked: list[str] = []

    @remembering
    def rule(value: Any) -> list[str]:
        asked.append(value)
        return []

    for _ in range(2):
        rule("a" * LONGEST)
    assert len(asked) == 2
