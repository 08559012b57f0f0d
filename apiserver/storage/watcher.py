"""One reader of the log, as slow as it likes.

As long as it keeps up it is handed events as they happen, in a bounded queue. Before that, and when the queue is full,
it reads at its own pace what happened since: from memory, and what is older from the log. So it holds up nobody, its
queue costs little, and it is not told to list again while the log has what it needs.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol, Self

from apiserver.storage.contract import Event, Revision, Selection
from apiserver.storage.shelf import Shelf

WATCHER_EVENTS = 2_000
"""How many events wait for one watcher."""
CATCH_UP_EVENTS = 1_000
"""How many events a watcher reads at once while it catches up."""


class Source(Protocol):
    """Where events come from: the cache, and the log behind it."""

    @property
    def revision(self) -> Revision:
        """Every event up to here has been applied."""
        ...

    def shelf(self, resource: str) -> Shelf:
        """Return what is in memory of ``resource``."""
        ...

    async def wait_for(self, revision: Revision) -> None:
        """Return when ``revision`` has been applied. Raises FutureRevisionError."""
        ...

    async def past(self, resource: str, after: Revision, limit: int) -> Sequence[Event]:
        """Return up to ``limit`` events after a revision from the log. Raises CompactedError, UnavailableError."""
        ...


class Watcher:
    """A Watch on a Source. Nothing comes twice and nothing is missed: it joins without waiting after reading."""

    def __init__(self, source: Source, resource: str, selection: Selection, after: Revision) -> None:
        self._source = source
        self._resource = resource
        self._selection = selection
        self._selects = selection.selects
        self._after = after
        """Every event up to here has been taken or was none of ours."""
        self._shelf: Shelf | None = None
        """Where we have joined: what happens there is offered to us."""
        self._events: list[Event] = []
        self._arrival: asyncio.Future[None] | None = None
        """What a ``take`` that found nothing waits for."""
        self._woken = False

    async def __aenter__(self) -> Self:
        """See Watch."""
        await self._source.wait_for(self._after)
        return self

    async def __aexit__(self, *_: object) -> None:
        """See Watch."""
        self.leave()
        self._events.clear()

    @property
    def revision(self) -> Revision:
        """See Watch."""
        return self._after if self._shelf is None or self._events else self._source.revision

    async def take(self) -> Sequence[Event]:
        """See Watch."""
        while self._shelf is None and not self._events:
            if events := await self._catch_up():
                return events
        if not self._events and not self._woken:
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        self._woken = False
        events, self._events = self._events, []
        if events:
            self._after = events[-1].revision
        return events

    def wake(self) -> None:
        """See Watch."""
        self._woken = True
        self._go_on()

    def offer(self, event: Event) -> None:
        """See Audience. Nothing runs as often as this."""
        seen = event if self._selects is None else event.seen_by(self._selects)
        if seen is None:
            return
        if len(self._events) < WATCHER_EVENTS:
            self._events.append(seen)
            self._go_on()
        else:
            self.leave()

    def leave(self) -> None:
        """Be offered nothing any more: the next ``take`` reads what happened since."""
        if self._shelf is not None:
            if not self._events:
                self._after = max(self._after, self._source.revision)
            self._shelf.leave(self._place, self)
            self._shelf = None
            self._go_on()

    def _go_on(self) -> None:
        if self._arrival is not None:
            if not self._arrival.done():  # cancelled, perhaps
                self._arrival.set_result(None)
            self._arrival = None

    @property
    def _place(self) -> tuple[str | None, str | None]:
        return self._selection.namespace, self._selection.name

    async def _catch_up(self) -> list[Event]:
        """Return the next events that were not offered; join when memory holds no more."""
        shelf = self._source.shelf(self._resource)
        if self._after < shelf.replayable_after:
            applied = self._source.revision
            events = await self._source.past(self._resource, self._after, CATCH_UP_EVENTS)
            read_through = events[-1].revision if len(events) == CATCH_UP_EVENTS else applied
            # The log may be ahead: what has not been applied yet will be offered, and must not come twice.
            self._after = min(read_through, self._source.revision)
            events = [event for event in events if event.revision <= self._after]
        else:
            events = shelf.since(self._after, CATCH_UP_EVENTS)
            if len(events) < CATCH_UP_EVENTS:
                shelf.join(self._place, self)
                self._shelf = shelf
            if events:
                self._after = events[-1].revision
        return self._seen(events)

    def _seen(self, events: Iterable[Event]) -> list[Event]:
        ours = (event for event in events if self._selection.covers(event.record.key))
        seen = (event.seen_by(self._selects) for event in ours)
        return [event for event in seen if event is not None]
