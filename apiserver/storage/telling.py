"""Telling of what happens to one resource: in rounds, as each write to a connection has a price of its own.

The system call and the record of TLS cost ten times what one more event in them does. So what happens in a round, and
for a moment after it that is as long as there are many to tell, waits for the next round. After a quiet time everybody
is told at once, and it takes a hundred watchers for the moment to be worth mentioning.
"""

import asyncio
from typing import Protocol

import structlog

from apiserver.storage.contract import Batch, Event

log = structlog.get_logger()

PAUSE_SECONDS = 20e-6
"""How long the pause after a round is for each who was told in it: about twice what telling one costs."""
TURN_LISTENERS = 100
"""How many are told before others have their turn on the event loop: about a millisecond."""

Place = tuple[str | None, str | None]
"""A namespace and a name; None for all of them."""


class Listener(Protocol):
    """Who is told of events as they happen."""

    def offer(self, batch: Batch) -> None:
        """Take what has happened, or leave; at once."""
        ...

    def leave(self) -> None:
        """Hear nothing any more."""
        ...


class Telling:
    """Who listens to one resource, and what they will be told in the next round."""

    def __init__(self) -> None:
        self._listeners: dict[Place, set[Listener]] = {}
        self._untold: dict[Place, list[Event]] = {}
        self._under_way = False
        """True from when a round is wanted until its pause is over."""

    def join(self, place: Place, listener: Listener) -> None:
        """Tell ``listener`` what happens at ``place``; perhaps also what has happened but has not been told yet."""
        self._listeners.setdefault(place, set()).add(listener)

    def leave(self, place: Place, listener: Listener) -> None:
        """Tell ``listener`` no more, but for the rest of a round under way; nothing happens when it has not joined."""
        if listeners := self._listeners.get(place):
            listeners.discard(listener)
            if not listeners:
                del self._listeners[place]

    def disband(self) -> None:
        """Have everybody leave."""
        for listener in [each for listeners in self._listeners.values() for each in listeners]:
            listener.leave()

    def add(self, event: Event) -> None:
        """Tell everybody whom it concerns of the next event, soon."""
        key = event.record.key
        for place in ((None, None), (key.namespace, None), (None, key.name), (key.namespace, key.name)):
            if place in self._listeners:
                self._untold.setdefault(place, []).append(event)
        if self._untold and not self._under_way:
            self._under_way = True
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        untold, self._untold = self._untold, {}
        batches = [(place, Batch(events)) for place, events in untold.items()]
        round_ = [(each, batch) for place, batch in batches for each in self._listeners.get(place, ())]
        self._go_on(round_, len(round_) * PAUSE_SECONDS)

    def _go_on(self, round_: list[tuple[Listener, Batch]], pause: float) -> None:
        for listener, batch in round_[:TURN_LISTENERS]:
            try:
                listener.offer(batch)
            except Exception:
                # It meets the fault again when it reads what it has not taken; nobody else must.
                log.exception("a watcher cannot be told what has happened")
                listener.leave()
        loop = asyncio.get_running_loop()
        if len(round_) > TURN_LISTENERS:
            loop.call_soon(self._go_on, round_[TURN_LISTENERS:], pause)
        else:
            loop.call_later(pause, self._end)

    def _end(self) -> None:
        if self._untold:
            self._begin()
        else:
            self._under_way = False
