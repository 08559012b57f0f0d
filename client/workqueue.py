"""A work queue of keys: each key waits at most once, and no two workers ever have the same key.

A key added while it is being worked on is worked on again afterwards, so the newest change is always seen. A key
whose work failed comes back after a delay that doubles with each failure. Source of the rules: client-go's
``util/workqueue``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import structlog

from client.errors import ApiError

K = TypeVar("K", bound=Hashable)
Reconcile = Callable[[K], Awaitable[float | None]]
"""Works on a key. Returns the seconds after which to look again, or None."""

CAPACITY = 200_000
FIRST_BACKOFF_SECONDS = 0.01
LONGEST_BACKOFF_SECONDS = 60.0

log = structlog.get_logger(__name__)


class WorkQueue(Generic[K]):
    """The keys of one controller and the workers that work on them."""

    def __init__(self, name: str, reconcile: Reconcile[K], *, workers: int = 4, capacity: int = CAPACITY) -> None:
        self._name = name
        self._reconcile = reconcile
        self._workers = workers
        self._waiting: asyncio.Queue[K] = asyncio.Queue(capacity)
        self._queued: set[K] = set()
        self._active: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._queued)

    def add(self, key: K) -> None:
        """Have ``key`` worked on soon. Raises asyncio.QueueFull beyond the capacity, which ends the controller."""
        if key in self._queued:
            return
        if key not in self._active:
            # An active key is put in line by the worker that has it, when it is done.
            self._waiting.put_nowait(key)
        self._queued.add(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Have ``key`` worked on after ``seconds``; of several such wishes the earliest counts."""
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        pending = self._timers.get(key)
        if pending is not None and pending.when() <= loop.time() + seconds:
            return
        if pending is not None:
            pending.cancel()
        self._timers[key] = loop.call_later(seconds, self._due, key)

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._workers):
                    group.create_task(self._work(), name=f"{self._name}-{number}")
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

    def _due(self, key: K) -> None:
        del self._timers[key]
        self.add(key)

    async def _work(self) -> None:
        while True:
            key = await self._waiting.get()
            self._queued.discard(key)
            self._active.add(key)
            try:
                await self._process(key)
            finally:
                self._active.discard(key)
                if key in self._queued:
                    self._waiting.put_nowait(key)

    async def _process(self, key: K) -> None:
        try:
            again = await self._reconcile(key)
        except ApiError as error:
            delay = self._back_off(key)
            # Somebody else wrote or deleted first: the informer brings the newer state, nothing is wrong.
            tell = log.debug if error.conflict or error.not_found else log.warning
            tell("request failed, will retry", queue=self._name, key=key, error=str(error), seconds=delay)
        except Exception:  # the worker loop is the one place where everything is caught, logged and tried again
            log.exception("work failed, will retry", queue=self._name, key=key, seconds=self._back_off(key))
        else:
            self._failures.pop(key, None)
            if again is not None:
                self.add_after(key, again)

    def _back_off(self, key: K) -> float:
        failures = self._failures.get(key, 0)
        self._failures[key] = min(failures + 1, 30)  # beyond that the delay has long reached its limit
        delay = min(FIRST_BACKOFF_SECONDS * 2**failures, LONGEST_BACKOFF_SECONDS)
        self.add_after(key, delay)
        return delay
