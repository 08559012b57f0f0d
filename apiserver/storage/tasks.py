"""Ending tasks."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

CANCEL_SECONDS = 5.0


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None], name: str) -> AsyncGenerator[None]:
    """Do ``work`` beside the context, and end it with that."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        await end(task)


async def end(task: "asyncio.Task[Any]") -> None:
    """Cancel ``task`` and wait for its end, whatever it ends with; a cancellation that got lost is repeated.

    Libraries lose one when their cleaning up fails, or when a result arrives at the same moment (Python 3.11's
    ``wait_for``).
    """
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=CANCEL_SECONDS)
    seen(task)


def seen(task: "asyncio.Task[Any]") -> None:
    """Look at how ``task`` ended, so that asyncio need not complain that nobody did."""
    if not task.cancelled():
        task.exception()
