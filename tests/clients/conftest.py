"""A server in a thread of its own, for clients that block."""

import asyncio
import contextlib
import gc
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from tests.server import Server, running_server

Serve = Callable[..., contextlib.AbstractContextManager[Server]]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Starts the server of this test, also again after it has stopped."""
    return lambda **how: _served(tmp_path, **how)


@pytest.fixture
def server(serve: Serve) -> Iterator[Server]:
    """A running server."""
    with serve() as running:
        yield running


@contextlib.contextmanager
def _served(directory: Path, **how: Any) -> Iterator[Server]:
    started: Future[tuple[Server, Callable[[], None]]] = Future()

    async def run() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        async with running_server(directory, **how) as server:
            started.set_result((server, lambda: loop.call_soon_threadsafe(stop.set) and None))
            await stop.wait()

    with ThreadPoolExecutor(1) as thread:
        serving = thread.submit(asyncio.run, run())
        wait([started, serving], return_when=FIRST_COMPLETED)
        if serving.done():
            serving.result()
        server, stop = started.result()
        try:
            yield server
        finally:
            with warnings.catch_warnings():
                # Clients hang up without TLS's goodbye; a connection that waits for it ends with the server's loop.
                warnings.simplefilter("ignore", ResourceWarning)
                stop()
                serving.result()
                gc.collect()
