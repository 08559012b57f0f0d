"""The watch cache: everything in memory, fed by the log, so that reads and watches never touch the database.

It follows the log from the revision it was loaded at. This process' commits are handed over directly; when another
replica wrote in between, the gap is read from the log. Either way events are applied strictly in revision order.
What is older than memory goes back is read from the log.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Self

import structlog

from apiserver.storage import tasks
from apiserver.storage.contract import (
    EVERYTHING,
    Along,
    CompactedError,
    Event,
    FutureRevisionError,
    Key,
    NotFoundError,
    Record,
    Revision,
    Selection,
    Snapshot,
    Tell,
    UnavailableError,
)
from apiserver.storage.shelf import Shelf
from apiserver.storage.sql import REPLAY_EVENTS, SqlLog
from apiserver.storage.watcher import Watcher

log = structlog.get_logger()

CATCH_UP_SECONDS = 3.0
"""How long a read waits for the cache to reach a revision (kube-apiserver's blockTimeout)."""
RETRY_SECONDS = 1.0
"""How soon the log is read again after that failed."""


class WatchCache:
    """A Store that reads from memory and writes through. Use as an async context manager."""

    def __init__(self, sql: SqlLog) -> None:
        self._sql = sql
        self._shelves: dict[str, Shelf] = {}
        self._revision: Revision = 0
        self._loaded: Revision = 0
        self._waiting: list[tuple[Revision, int, asyncio.Future[None]]] = []
        """A heap of who waits for which revision; the number in the middle keeps the order of arrival."""
        self._arrivals = count()
        self._arrived = asyncio.Event()
        self._handed_over: deque[Sequence[Event]] = deque()
        self._behind = False
        """True when the log may hold events that were not handed over: another replica's."""
        self._sound = False
        """False when the cache must load everything before it can follow: at first, and after a gap or a fault."""
        self._follower: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Load everything, then follow the log."""
        self._sql.on_commit(self._hand_over)
        await self._load()
        self._sql.believe(self)
        self._follower = asyncio.create_task(self._follow(), name="watch cache")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop following."""
        self._sql.believe(None)
        self._sql.on_commit(None)
        if self._follower is not None:
            await tasks.end(self._follower)

    @property
    def revision(self) -> Revision:
        """See Store: how far the cache has followed the log."""
        return self._revision

    @property
    def complete_at(self) -> Revision | None:
        """See committing.Memory."""
        return self._revision if self._sound and not self._handed_over else None

    async def check(self) -> None:
        """Return when the log takes writes and the cache has reached its newest revision. Raises UnavailableError."""
        await self._sql.check()
        await self._wait_for_newest()

    async def create(self, key: Key, body: bytes, *, along: Sequence[Along] = ()) -> Record:
        """See Store."""
        return await self._seen(await self._sql.create(key, body, along=along))

    async def replace(self, key: Key, body: bytes, *, expected: Revision, along: Sequence[Along] = ()) -> Record:
        """See Store."""
        return await self._seen(await self._sql.replace(key, body, expected=expected, along=along))

    async def remove(self, key: Key, *, expected: Revision) -> Record:
        """See Store."""
        return await self._seen(await self._sql.remove(key, expected=expected))

    def newest(self) -> Revision | asyncio.Future[Revision]:
        """See Store."""
        known = self._sql.known_newest
        return self._sql.question() if known is None else known

    def peek(self, key: Key) -> Record | None:
        """See Store."""
        return self.shelf(key.resource).records.get(key)

    def records(self, resource: str, namespace: str | None = None) -> Iterator[Record]:
        """Yield what the cache has of ``resource`` now, in order."""
        shelf = self.shelf(resource)
        if namespace is None:  # as rules ask for with each write
            yield from [shelf.records[key] for key in shelf.order]
        else:
            yield from shelf.page(self._revision, Selection(namespace=namespace)).records

    async def get(self, key: Key, *, at_least: Revision | None = None) -> Record:
        """See Store."""
        await self._reach(at_least)
        record = self.peek(key)
        if record is None:
            raise NotFoundError(key)
        return record

    async def list(
        self,
        resource: str,
        selection: Selection = EVERYTHING,
        *,
        at: Revision | None = None,
        at_least: Revision | None = None,
        start: tuple[str, str] | None = None,
        limit: int = 0,
    ) -> Snapshot:
        """See Store."""
        await self._reach(at if at_least is None else at_least)
        if at is None:
            return self.shelf(resource).page(self._revision, selection, (), start, limit)
        # Memory may know more, but how long the past is kept must not depend on how often a resource changes.
        if at < self._sql.compacted:
            raise CompactedError(at, self._sql.compacted)
        undo = await self._since(resource, at)
        return self.shelf(resource).page(at, selection, undo, start, limit)

    async def latest(self) -> Revision:
        """See Store."""
        return await self._sql.newest()

    def watch(
        self, resource: str, selection: Selection = EVERYTHING, *, after: Revision, tell: Tell | None = None
    ) -> Watcher:
        """See Store."""
        return Watcher(self, resource, selection, after, tell)

    async def wait_for(self, revision: Revision, seconds: float = CATCH_UP_SECONDS) -> None:
        """Return when the cache has reached ``revision``. Raises FutureRevisionError after ``seconds``."""
        if self._revision >= revision:
            return
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = (revision, next(self._arrivals), reached)
        heappush(self._waiting, waiting)
        try:
            async with asyncio.timeout(seconds):
                await reached
        except TimeoutError as late:
            raise FutureRevisionError(revision, self._revision) from late
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                heapify(self._waiting)

    def shelf(self, resource: str) -> Shelf:
        """Return what is in memory of ``resource``."""
        if resource not in self._shelves:
            self._shelves[resource] = Shelf(resource, replayable_after=self._loaded)
        return self._shelves[resource]

    async def past(self, resource: str, after: Revision, limit: int) -> Sequence[Event]:
        """See watcher.Source."""
        return await self._sql.events_after(after, limit, resource=resource)

    async def _since(self, resource: str, revision: Revision) -> Sequence[Event]:
        """Return every event after ``revision``, up to the cache's revision when this returns."""
        past: list[Event] = []
        while revision < self.shelf(resource).replayable_after:
            applied = self._revision
            events = await self._sql.events_after(revision, resource=resource)
            past += events
            revision = max(events[-1].revision if events else 0, applied if len(events) < REPLAY_EVENTS else 0)
        return past + self.shelf(resource).since(revision)

    async def _reach(self, at_least: Revision | None) -> None:
        if at_least is None:
            await self._wait_for_newest()
        else:
            await self.wait_for(at_least)

    async def _wait_for_newest(self) -> None:
        newest = await self._sql.newest()
        try:
            await self.wait_for(newest)
        except FutureRevisionError as late:
            raise UnavailableError(f"the watch cache does not keep up: {late}") from late

    async def _seen(self, record: Record) -> Record:
        # For those who only peek. What is durable is acknowledged even when the cache does not keep up.
        with suppress(FutureRevisionError):
            await self.wait_for(record.revision)
        return record

    def _hand_over(self, events: Sequence[Event]) -> None:
        """Take this process' own commit: at once when it is what comes next, which spares the writers a wait."""
        if self._sound and not self._handed_over and events[0].revision == self._revision + 1:
            try:
                self._apply(events)
            except Exception:
                log.exception("the watch cache starts over")
                self._sound = False
            else:
                return
        self._handed_over.append(events)
        self._arrived.set()

    async def _follow(self) -> None:
        hint = asyncio.create_task(self._hints(), name="watch cache hints")
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                try:
                    if not self._sound:
                        await self._load()
                    await self._catch_up()
                except UnavailableError as error:
                    log.warning("the watch cache cannot read the log", why=str(error))
                    await self._try_again()
                except Exception:
                    # Compacted before it was read, or an event that fits no state: only a load can be trusted now.
                    log.exception("the watch cache starts over")
                    self._sound = False
                    await self._try_again()
        finally:
            await tasks.end(hint)

    async def _load(self) -> None:
        """Take what the log holds now. Watchers from before read there what happened in between."""
        revision, records = await self._sql.everything()
        before, self._shelves = self._shelves, {}
        for shelf in before.values():
            shelf.telling.disband()
        self._revision = self._loaded = revision
        for record in records:
            self.shelf(record.key.resource).records[record.key] = record
        for shelf in self._shelves.values():
            shelf.order = sorted(shelf.records)
        self._sound = True
        log.info("watch cache loaded", objects=len(records), revision=revision)
        self._tell()

    async def _try_again(self) -> None:
        await asyncio.sleep(RETRY_SECONDS)
        self._behind = True
        self._arrived.set()

    async def _hints(self) -> None:
        while True:
            await self._sql.wait_for_append()
            self._behind = True
            self._arrived.set()

    async def _catch_up(self) -> None:
        while self._handed_over:
            events = self._handed_over.popleft()
            if events[0].revision <= self._revision + 1:
                self._apply(events)
            else:
                self._behind = True
        while self._behind:
            self._behind = False  # before the read: what is hinted at meanwhile needs another
            if events := await self._sql.events_after(self._revision):
                self._behind = True
                self._apply(events)

    def _apply(self, events: Sequence[Event]) -> None:
        try:
            for event in events:
                if event.revision > self._revision:
                    self.shelf(event.record.key.resource).apply(event)
                    self._revision = event.revision
        finally:
            self._tell()

    def _tell(self) -> None:
        """Let those go on who waited for what has been reached."""
        while self._waiting and self._waiting[0][0] <= self._revision:
            _, _, reached = heappop(self._waiting)
            if not reached.done():
                reached.set_result(None)
