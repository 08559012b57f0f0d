"""Work that goes on until somebody says stop."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


async def until(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do ``work`` until it ends or fails or ``stop`` is set, and leave nothing behind. Raises what ``work`` raises."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


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
