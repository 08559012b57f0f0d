"""Selectors put together."""

from collections.abc import Callable, Sequence

from apiserver.machinery.resource import Object

Selects = Callable[[Object], bool]


def all_of(each: Sequence[Selects]) -> Selects | None:
    """Return a selector that every one of ``each`` must agree to; None, which selects everything, for none."""
    match len(each):
        case 0:
            return None
        case 1:
            return each[0]
        case _:
            return lambda obj: all(selects(obj) for selects in each)
