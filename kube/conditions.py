"""Conditions of a status: pure helpers that return new lists.

A condition's ``lastTransitionTime`` changes only when its status does (Kubernetes API conventions).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from kube.timestamps import to_time

Condition = dict[str, Any]


def get_condition(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """Return the condition of this type, or None."""
    return next((each for each in conditions if each["type"] == kind), None)


def is_true(conditions: Iterable[Condition], kind: str) -> bool:
    """Return True when the condition is there and True."""
    found = get_condition(conditions, kind)
    return found is not None and found["status"] == "True"


def set_condition(conditions: Iterable[Condition], new: Condition, now: datetime) -> list[Condition]:
    """Return ``conditions`` with ``new`` (``type``, ``status``, and mostly ``reason`` and ``message``) in its place."""
    before = list(conditions)
    old = get_condition(before, new["type"])
    since = old.get("lastTransitionTime") if old and old["status"] == new["status"] else None
    dated = {**new, "lastTransitionTime": since or to_time(now)}
    if old is None:
        return [*before, dated]
    return [dated if each is old else each for each in before]


def remove_condition(conditions: Iterable[Condition], kind: str) -> list[Condition]:
    """Return ``conditions`` without the one of this type."""
    return [each for each in conditions if each["type"] != kind]
