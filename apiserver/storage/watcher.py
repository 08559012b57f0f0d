"""One reader of the log, as slow as it likes.

It reads at its own pace what has happened: from memory, and what is older from the log. When there is no more it
listens, and is told of what happens until it leaves some of it, which it reads then like everything before. So nothing
is queued for it, it holds up nobody, and it is not told to list again while the log has what it needs.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol, Self

from apiserver.storage.contract import Batch, Event, Revision, Selection, Tell
from apiserver.storage.shelf import Shelf
from apiserver.storage.telling import Place, Telling

CATCH_UP_EVENTS = 1_000
"""How many events a watcher reads at once."""


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
    """A Watch on a Source. Nothing is missed: it joins the listeners without waiting after reading."""

    def __init__(
        self, source: Source, resource: str, selection: Selection, after: Revision, tell: Tell | None = None
    ) -> None:
        self._source = source
        self._resource = resource
        self._selection = selection
        self._after = after
        """Every event up to here has been taken, or was none of ours."""
        self._tell = tell
        self._telling: Telling | None = None
        """Where we listen."""
        self._left: asyncio.Future[None] | None = None
        """Done when we listen no more."""
        self._woken = False

    async def __aenter__(self) -> Self:
        """See Watch."""
        await self._source.wait_for(self._after)
        return self

    async def __aexit__(self, *_: object) -> None:
        """See Watch."""
        self.leave()

    @property
    def revision(self) -> Revision:
        """See Watch."""
        return self._after

    async def take(self) -> Sequence[Event]:
        """See Watch."""
        while not (events := await self._read()) and not self._woken:
            await self._listen()
        self._woken = False
        return events

    def wake(self) -> None:
        """See Watch."""
        self._woken = True
        self.leave()

    def offer(self, batch: Batch) -> None:
        """See Listener. Nothing runs as often as this."""
        through = batch.events[-1].revision
        if self._telling is None or through <= self._after:
            return
        if self._selection.selects is not None or batch.events[0].revision <= self._after:
            batch = Batch(self._seen(event for event in batch.events if event.revision > self._after))
        if not batch.events or (self._tell is not None and self._tell(batch)):
            self._after = through
        else:
            self.leave()

    def leave(self) -> None:
        """See Listener."""
        if self._telling is not None:
            self._telling.leave(self._place, self)
            self._telling = None
        if self._left is not None and not self._left.done():  # cancelled, perhaps
            self._left.set_result(None)

    @property
    def _place(self) -> Place:
        return self._selection.namespace, self._selection.name

    async def _listen(self) -> None:
        self._left = asyncio.get_running_loop().create_future()
        self._telling = self._source.shelf(self._resource).telling
        self._telling.join(self._place, self)
        try:
            await self._left
        finally:
            self.leave()

    async def _read(self) -> list[Event]:
        """Return the next events that we have not been told of; none when there have been no more."""
        while self._after < self._source.revision:
            shelf = self._source.shelf(self._resource)
            applied = self._source.revision
            if self._after < shelf.replayable_after:
                events = await self._source.past(self._resource, self._after, CATCH_UP_EVENTS)
            else:
                events = shelf.since(self._after, CATCH_UP_EVENTS)
            read_through = events[-1].revision if len(events) == CATCH_UP_EVENTS else applied
            # The log may be ahead of memory, and of what we have been told: nothing must come twice.
            self._after = min(read_through, self._source.revision)
            if seen := self._seen(event for event in events if event.revision <= self._after):
                return seen
        return []

    def _seen(self, events: Iterable[Event]) -> list[Event]:
        ours = (event for event in events if self._selection.covers(event.record.key))
        seen = (event.seen_by(self._selection.selects) for event in ours)
        return [event for event in seen if event is not None]
