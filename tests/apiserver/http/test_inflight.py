"""No caller can take all the room, and whoever comes new is let in while there is any."""

from collections import Counter
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.http.inflight import InFlight
from apiserver.machinery.errors import StatusError


def fill(stack: ExitStack, inflight: InFlight, caller: str) -> int:
    """Start requests until one is refused; return how many were let in."""
    before = inflight.total

    def start_all() -> None:
        while True:
            stack.enter_context(inflight.counted(caller))

    with pytest.raises(StatusError) as refused:
        start_all()
    assert refused.value.code == 429
    assert refused.value.retry_after_seconds
    return inflight.total - before


def test_one_caller_gets_half_and_the_next_still_finds_room() -> None:
    inflight = InFlight(100)
    with ExitStack() as stack:
        assert fill(stack, inflight, "greedy") == 50
        assert fill(stack, inflight, "modest") == 25
        assert fill(stack, inflight, "late") > 0


def test_what_has_ended_makes_room_again() -> None:
    inflight = InFlight(2)
    with inflight.counted("one"), pytest.raises(StatusError), inflight.counted("one"):
        pass
    with inflight.counted("one"):
        assert inflight.total == 1
    assert inflight.total == 0


@given(st.lists(st.sampled_from("abcdef"), max_size=200), st.integers(min_value=10, max_value=60))
def test_a_newcomer_is_let_in_while_there_is_any_room(callers: list[str], limit: int) -> None:
    inflight = InFlight(limit)
    admitted: Counter[str] = Counter()
    with ExitStack() as stack:
        for caller in callers:
            had_room = inflight.total < limit
            try:
                stack.enter_context(inflight.counted(caller))
            except StatusError:
                assert admitted[caller] or not had_room
            else:
                admitted[caller] += 1
        assert max(admitted.values(), default=0) <= (limit + 1) // 2
        assert inflight.total == admitted.total() <= limit
