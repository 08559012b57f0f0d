import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.api import ApiError
from client.workqueue import WorkQueue


@asynccontextmanager
async def working(
    reconcile: Callable[[str], Awaitable[float | None]], workers: int = 4
) -> AsyncIterator[WorkQueue[str]]:
    queue = WorkQueue("test", reconcile, workers=workers)
    task = asyncio.create_task(queue.run())
    try:
        async with asyncio.timeout(10):
            yield queue
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_key_added_many_times_is_worked_on_once() -> None:
    done: list[str] = []
    finished = asyncio.Event()

    async def reconcile(key: str) -> None:
        done.append(key)
        if key == "last":
            finished.set()

    async with working(reconcile, workers=1) as queue:
        for key in ("a", "b", "a", "a", "last"):
            queue.add(key)
        await finished.wait()
    assert done == ["a", "b", "last"]


async def test_a_key_added_during_its_work_is_worked_on_again_but_never_by_two() -> None:
    runs: list[int] = []
    active = 0
    again = asyncio.Event()

    async def reconcile(key: str) -> None:
        nonlocal active
        active += 1
        runs.append(active)
        if len(runs) == 1:
            queue.add(key)
            # Others get every chance to take the key too.
            for _ in range(20):
                await asyncio.sleep(0)
        else:
            again.set()
        active -= 1

    async with working(reconcile) as queue:
        queue.add("a")
        await again.wait()
    assert runs == [1, 1]


@pytest.mark.parametrize("error", [ApiError(500, "InternalError", "no"), RuntimeError("bug")])
async def test_failed_work_is_done_again(error: Exception) -> None:
    attempts: list[str] = []
    succeeded = asyncio.Event()

    async def reconcile(key: str) -> None:
        attempts.append(key)
        if len(attempts) < 3:
            raise error
        succeeded.set()

    async with working(reconcile) as queue:
        queue.add("a")
        await succeeded.wait()
    assert attempts == ["a", "a", "a"]


async def test_delays_double_with_each_failure_and_start_anew_after_success() -> None:
    queue: WorkQueue[str] = WorkQueue("test", lambda _: asyncio.sleep(0))
    delays = [queue._back_off("a") for _ in range(20)]
    assert delays[:3] == [0.01, 0.02, 0.04]
    assert delays[-1] == 60
    await queue._process("a")
    assert queue._back_off("a") == 0.01
    for timer in queue._timers.values():
        timer.cancel()


async def test_work_may_ask_to_be_called_again() -> None:
    calls: list[str] = []
    second = asyncio.Event()

    async def reconcile(key: str) -> float | None:
        calls.append(key)
        if len(calls) == 2:
            second.set()
            return None
        return 0.001

    async with working(reconcile) as queue:
        queue.add("a")
        await second.wait()
    assert calls == ["a", "a"]


async def test_of_two_delayed_adds_the_earlier_counts() -> None:
    due = asyncio.Event()

    async def reconcile(_: str) -> None:
        due.set()

    async with working(reconcile) as queue:
        queue.add_after("a", 3600)
        queue.add_after("a", 0.001)
        queue.add_after("a", 3600)
        await due.wait()


async def test_more_keys_than_it_may_hold_are_refused() -> None:
    queue: WorkQueue[str] = WorkQueue("test", lambda _: asyncio.sleep(0), capacity=1)
    queue.add("a")
    queue.add("a")
    with pytest.raises(asyncio.QueueFull):
        queue.add("b")


@given(st.lists(st.sampled_from("abc"), max_size=30), st.integers(1, 4))
def test_every_key_is_worked_on_after_its_last_add(keys: list[str], workers: int) -> None:
    async def scenario() -> None:
        added = dict.fromkeys("abc", 0)
        seen = dict.fromkeys("abc", 0)
        idle = asyncio.Event()

        async def reconcile(key: str) -> None:
            now = added[key]
            await asyncio.sleep(0)
            seen[key] = now
            if seen == added:
                idle.set()

        async with working(reconcile, workers) as queue:
            for key in keys:
                added[key] += 1
                queue.add(key)
                await asyncio.sleep(0)
            if keys and seen != added:
                idle.clear()
                await idle.wait()
        assert seen == added

    asyncio.run(scenario())
