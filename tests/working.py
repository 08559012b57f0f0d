"""The controllers, or an agent, at work in the tests' own process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from controllers.manager import Options, run

SECONDS = 20.0
"""How long they may take to begin, and to end."""


@asynccontextmanager
async def working(work: Any, how: Any) -> AsyncIterator[asyncio.Event]:
    """Run controllers or an agent; yields what tells that they are ready."""
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(work(how, stop, ready))
    try:
        yield ready
    finally:
        stop.set()
        async with asyncio.timeout(SECONDS):
            await task


@asynccontextmanager
async def working_controllers(kubeconfig: Path) -> AsyncIterator[None]:
    """Run the controllers, and wait until they are ready."""
    async with working(run, Options(kubeconfig=kubeconfig, leader_elect=False)) as ready:
        async with asyncio.timeout(SECONDS):
            await ready.wait()
        yield
