"""Work that goes on until somebody says stop."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


async def first(*works: Coroutine[Any, Any, T]) -> T:
    """Do all ``works`` until one of them ends, and leave nothing behind; return or raise what that one does."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return await next(task for task in tasks if task.done())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do ``work`` until it ends or fails or ``stop`` is set, and leave nothing behind. Raises what ``work`` raises."""

    async def stopped() -> None:
        await stop.wait()

    await first(work, stopped())


@asynccontextmanager
async def alongside(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Do ``work`` for as long as the context lasts; should it end before, set ``stop``.

    What it raised is raised at the end.
    """
    working = asyncio.create_task(work)
    working.add_done_callback(lambda _: stop.set())
    try:
        yield
    finally:
        working.cancel()
        await asyncio.wait((working,))
    if not working.cancelled():
        await working
