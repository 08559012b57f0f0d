"""Forgetting: little and often, so that no compaction ever holds up a writer for long."""

import asyncio
from typing import Self

import structlog

from apiserver.storage import tasks
from apiserver.storage.contract import Revision, UnavailableError
from apiserver.storage.sql import SqlLog

log = structlog.get_logger()

INTERVAL_SECONDS = 60.0
KEEP_INTERVALS = 5
"""Events stay at least this many intervals: etcd's five minutes, as kube-apiserver compacts it."""
STEP_EVENTS = 2_000


class Compactor:
    """Owns the task that compacts the log. Use as an async context manager."""

    def __init__(self, sql: SqlLog, interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._sql = sql
        self._interval_seconds = interval_seconds
        self._marks: list[Revision] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start compacting."""
        self._task = asyncio.create_task(self._run(), name="compaction")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        if self._task is not None:
            await tasks.end(self._task)

    async def _run(self) -> None:
        done: Revision = 0
        while True:
            await asyncio.sleep(self._interval_seconds)
            try:
                self._marks.append(await self._sql.latest())
                if len(self._marks) > KEEP_INTERVALS:
                    target = self._marks.pop(0)
                    done = await self._compact(done, target)
            except UnavailableError as error:
                log.warning("compaction waits for the database", why=str(error))
            except Exception:
                log.exception("compaction failed")  # the next interval tries again

    async def _compact(self, done: Revision, target: Revision) -> Revision:
        while done < target:
            done = min(done + STEP_EVENTS, target)
            await self._sql.compact(done)
        return done
