"""The watch cache: everything in memory, fed by the log, so that reads and watches never touch the database.

It follows the log from the revision it was loaded at. This process' commits are handed over directly; when another
replica wrote in between, the gap is read from the log. Either way events are applied strictly in revision order.
"""

import asyncio
from bisect import bisect_right, insort
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

import structlog

from apiserver.storage import tasks
from apiserver.storage.contract import (
    CompactedError,
    Event,
    EventKind,
    FutureRevisionError,
    Key,
    NotFoundError,
    Record,
    Revision,
    SlowWatcherError,
    Snapshot,
    UnavailableError,
)
from apiserver.storage.sql import SqlLog, rewind

log = structlog.get_logger()

WINDOW_EVENTS = 10_000
"""How many recent events of each resource can be replayed to a watcher from memory."""
WARM_EVENTS = 500
"""How many recent events of each resource keep what was decoded and encoded of superseded states.

Older ones keep their bytes alone, so that a lease renewed for ever costs little: decoding takes ten times the room.
"""
WATCHER_EVENTS = 5_000
"""How far a watcher may fall behind before it is told to list again."""
CATCH_UP_SECONDS = 3.0
"""How long a read waits for the cache to reach a revision (kube-apiserver's blockTimeout)."""
RETRY_SECONDS = 1.0
"""How soon the log is read again after that failed."""


class _Watcher:
    """One reader's bounded queue."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._arrived = asyncio.Event()
        self._overflowed = False

    def drop(self) -> None:
        """Make the watcher fail once it has taken what is queued: what comes after is lost."""
        self._overflowed = True
        self._arrived.set()

    def offer(self, event: Event) -> None:
        """Queue an event; a full queue makes the watcher fail instead of holding up others.

        After the first event that found no room nothing more is taken: what follows would hide the gap.
        """
        if self._overflowed or len(self._events) >= WATCHER_EVENTS:
            self._overflowed = True
        else:
            self._events.append(event)
        self._arrived.set()

    async def take(self) -> Event:
        """Return the next event. Raises SlowWatcherError once the queue has overflowed."""
        while not self._events:
            if self._overflowed:
                raise SlowWatcherError("the watcher fell too far behind")
            self._arrived.clear()
            await self._arrived.wait()
        return self._events.popleft()


@dataclass(slots=True)
class _Shelf:
    """One resource in memory."""

    records: dict[Key, Record] = field(default_factory=dict[Key, Record])
    order: list[Key] = field(default_factory=list[Key])
    """The keys of ``records``, sorted."""
    window: deque[Event] = field(default_factory=deque[Event])
    replayable_after: Revision = 0
    """Every event after this revision is in ``window``."""
    watchers: set[_Watcher] = field(default_factory=set[_Watcher])

    def apply(self, event: Event) -> None:
        key = event.record.key
        # What it replaces is here already, with its forms: one copy does for all.
        event = Event(event.kind, event.record, self.records.get(key))
        if event.kind is EventKind.DELETED:
            del self.records[key]
            del self.order[bisect_right(self.order, key) - 1]
        else:
            if key not in self.records:
                insort(self.order, key)
            self.records[key] = event.record
        self.window.append(event)
        if len(self.window) > WARM_EVENTS:
            self._cool(self.window[-WARM_EVENTS - 1])
        if len(self.window) > WINDOW_EVENTS:
            self.replayable_after = self.window.popleft().revision
        for watcher in self.watchers:
            watcher.offer(event)

    def _cool(self, event: Event) -> None:
        """Forget the forms of superseded states; a late reader builds them again."""
        if self.records.get(event.record.key) is not event.record:
            event.record.forms.clear()
        if event.previous is not None:
            event.previous.forms.clear()

    def since(self, revision: Revision) -> list[Event]:
        """Return the events after ``revision``. Raises CompactedError."""
        if revision < self.replayable_after:
            raise CompactedError(revision, self.replayable_after)
        first = bisect_right(self.window, revision, key=lambda event: event.revision)
        return [self.window[index] for index in range(first, len(self.window))]


class WatchCache:
    """A Store that reads from memory and writes through. Use as an async context manager."""

    def __init__(self, sql: SqlLog) -> None:
        self._sql = sql
        self._shelves: dict[str, _Shelf] = {}
        self._revision: Revision = 0
        self._loaded: Revision = 0
        self._moved = asyncio.Condition()
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
        self._follower = asyncio.create_task(self._follow(), name="watch cache")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop following."""
        self._sql.on_commit(None)
        if self._follower is not None:
            await tasks.end(self._follower)

    @property
    def revision(self) -> Revision:
        """How far the cache has followed the log."""
        return self._revision

    async def create(self, key: Key, body: bytes) -> Record:
        """See Store."""
        return await self._seen(await self._sql.create(key, body))

    async def replace(self, key: Key, body: bytes, *, expected: Revision) -> Record:
        """See Store."""
        return await self._seen(await self._sql.replace(key, body, expected=expected))

    async def remove(self, key: Key, *, expected: Revision) -> Record:
        """See Store."""
        return await self._seen(await self._sql.remove(key, expected=expected))

    def peek(self, key: Key) -> Record | None:
        """Return what the cache has under ``key`` now."""
        return self._shelf(key.resource).records.get(key)

    def records(self, resource: str, namespace: str | None = None) -> Iterator[Record]:
        """Yield what the cache has of ``resource`` now, in order."""
        shelf = self._shelf(resource)
        for key in shelf.order:
            if namespace is None or key.namespace == namespace:
                yield shelf.records[key]

    async def get(self, key: Key) -> Record:
        """See Store."""
        await self._wait_for_newest()
        record = self.peek(key)
        if record is None:
            raise NotFoundError(key)
        return record

    async def list(self, resource: str, namespace: str | None = None, *, at: Revision | None = None) -> Snapshot:
        """See Store."""
        await self._wait_for_newest()
        now = Snapshot(self._revision, [*self.records(resource, namespace)])
        if at is None or at == now.revision:
            return now
        if at > now.revision:
            raise FutureRevisionError(at, now.revision)
        return rewind(now, self._shelf(resource).since(at), namespace, at)

    async def latest(self) -> Revision:
        """See Store."""
        return await self._sql.newest()

    async def wait_for(self, revision: Revision, seconds: float = CATCH_UP_SECONDS) -> None:
        """Return when the cache has reached ``revision``. Raises FutureRevisionError after ``seconds``."""
        if self._revision >= revision:
            return
        try:
            async with asyncio.timeout(seconds), self._moved:
                await self._moved.wait_for(lambda: self._revision >= revision)
        except TimeoutError as late:
            raise FutureRevisionError(revision, self._revision) from late

    async def watch(
        self, resource: str, *, after: Revision, namespace: str | None = None
    ) -> AsyncGenerator[Event, None]:
        """See Store."""
        await self.wait_for(after)
        shelf, watcher = self._shelf(resource), _Watcher()
        # No await between reading the window and joining the watchers: nothing is missed, nothing comes twice.
        replay = shelf.since(after)
        shelf.watchers.add(watcher)
        try:
            for event in replay:
                if namespace is None or event.record.key.namespace == namespace:
                    yield event
            while True:
                event = await watcher.take()
                if namespace is None or event.record.key.namespace == namespace:
                    yield event
        finally:
            shelf.watchers.discard(watcher)

    def _shelf(self, resource: str) -> _Shelf:
        if resource not in self._shelves:
            self._shelves[resource] = _Shelf(replayable_after=self._loaded)
        return self._shelves[resource]

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
        """Take what the log holds now. Watchers from before must list again: what happened in between is lost."""
        revision, records = await self._sql.everything()
        before, self._shelves = self._shelves, {}
        self._revision = self._loaded = revision
        for record in records:
            self._shelf(record.key.resource).records[record.key] = record
        for shelf in self._shelves.values():
            shelf.order = sorted(shelf.records)
        for shelf in before.values():
            for watcher in shelf.watchers:
                watcher.drop()
        self._sound = True
        log.info("watch cache loaded", objects=len(records), revision=revision)
        async with self._moved:
            self._moved.notify_all()

    async def _try_again(self) -> None:
        await asyncio.sleep(RETRY_SECONDS)
        self._behind = True
        self._arrived.set()

    async def _hints(self) -> None:
        while self._sql.shared:
            await self._sql.wait_for_append()
            self._behind = True
            self._arrived.set()

    async def _catch_up(self) -> None:
        while self._handed_over:
            events = self._handed_over.popleft()
            if events[0].revision <= self._revision + 1:
                await self._apply(events)
            else:
                self._behind = True
        while self._behind:
            self._behind = False  # before the read: what is hinted at meanwhile needs another
            if events := await self._sql.events_after(self._revision):
                self._behind = True
                await self._apply(events)

    async def _apply(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.revision > self._revision:
                self._shelf(event.record.key.resource).apply(event)
                self._revision = event.revision
        async with self._moved:
            self._moved.notify_all()
