"""Where what takes long to compute is computed: beside the event loop, which goes on answering others meanwhile.

What is done there must be pure: the watch cache, and rules that look into it, belong to the event loop.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

LARGE_BYTES = 64 * 1024
"""An object of this length takes some 30 ms: longer than others should wait, and much longer than to ask a thread."""


class Workers:
    """One thread. More would not compute more at a time, in Python, but take the event loop's turns away."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="large-objects")

    async def run(self, size: int, work: Callable[[], T]) -> T:
        """Return what ``work`` on ``size`` bytes of JSON returns; little is done at once."""
        if size < LARGE_BYTES:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
