"""Work beside other work."""

import asyncio

import pytest

from client.running import alongside


async def test_work_that_fails_stops_what_it_is_for_and_is_told_at_the_end() -> None:
    stop = asyncio.Event()

    async def work() -> None:
        raise LookupError("gone")

    async def serve() -> None:
        async with alongside(stop, work()), asyncio.timeout(10):
            await stop.wait()

    with pytest.raises(LookupError, match="gone"):
        await serve()


async def test_work_ends_with_what_it_is_for() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with alongside(asyncio.Event(), work()):
        await asyncio.sleep(0)
        assert not ended.is_set()
    assert ended.is_set()
