"""Rules that remember what they found, for fleets whose objects are alike."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeVar, TypeVarTuple

import orjson

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

REMEMBERED = 256
"""How many values a rule remembers: fleets are made from a few templates."""
LONGEST = 16 * 1024
"""Bytes of JSON of the longest value that is remembered."""


def remembering(rule: Callable[[Any, *Ts], Iterable[T]]) -> Callable[[Any, *Ts], tuple[T, ...]]:
    """Return ``rule``, a function of a JSON value and more, that knows what it yielded for the last such values.

    What it yields must follow from its arguments alone. It gets a copy of the value, and may change that.
    """

    def find(written: bytes, *more: *Ts) -> tuple[T, ...]:
        return tuple(rule(orjson.loads(written), *more))

    known = lru_cache(REMEMBERED)(find)

    def remembered(value: Any, *more: *Ts) -> tuple[T, ...]:
        written = orjson.dumps(value)
        return known(written, *more) if len(written) <= LONGEST else find(written, *more)

    return remembered
