"""Group commit, the pure part: what a batch of writes does to the state it meets."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from apiserver.storage.contract import (
    Along,
    AlreadyExistsError,
    Collection,
    ConflictError,
    Event,
    EventKind,
    Key,
    NotFoundError,
    Record,
    Revision,
    StorageError,
)


@dataclass(frozen=True, slots=True)
class Write:
    """One write that waits for its commit. ``body`` None removes; ``expected`` None creates."""

    key: Key
    body: bytes | None
    expected: Revision | None
    done: asyncio.Future[Record]
    along: Sequence[Along] = ()

    @property
    def keys(self) -> list[Key]:
        """The keys of all records that it concerns."""
        return [self.key, *(each.key for each in self.along if not each.every)]

    @property
    def collections(self) -> list[Collection]:
        """What it concerns as a whole."""
        return [_collection(each.key) for each in self.along if each.every]


@dataclass(slots=True)
class Plan:
    """What to commit, and what to tell each writer."""

    events: list[Event] = field(default_factory=list[Event])
    succeeded: list[tuple[Write, Record]] = field(default_factory=list[tuple[Write, Record]])
    failed: list[tuple[Write, Exception]] = field(default_factory=list[tuple[Write, Exception]])
    state: dict[Key, Record | None] = field(default_factory=dict[Key, Record | None])
    """The state of every written key after the batch; None where nothing is left."""


def plan(writes: Sequence[Write], current: Mapping[Key, Record | None], revision: Revision) -> Plan:
    """Apply ``writes`` in order to ``current``; each that succeeds takes the next revision after ``revision``.

    Each write sees those before it, and fails alone.
    """
    result = Plan()
    members: dict[Collection, list[Key]] = {each: [] for write in writes for each in write.collections}
    _join(members, (key for key, record in current.items() if record is not None))

    def at(key: Key) -> Record | None:
        return result.state[key] if key in result.state else current.get(key)

    def asked(along: Along) -> Iterator[tuple[Key, Record | None]]:
        keys = members[_collection(along.key)] if along.every else [along.key]
        return ((key, at(key)) for key in keys)

    for write in writes:
        found = at(write.key)
        events: list[Event] = []
        error: Exception | None = _objection(write, found)
        if error is None:
            try:
                events = _amended(write, asked, revision)
            except Exception as refused:  # noqa: BLE001 - its writer is told; nobody else is to suffer from it
                error = refused
        if error is not None:
            result.failed.append((write, error))
            continue
        events.append(_event(write, found, revision + len(events) + 1))
        revision = events[-1].revision
        result.events += events
        result.succeeded.append((write, events[-1].record))
        _join(members, (event.record.key for event in events if event.kind is EventKind.ADDED))
        for event in events:
            result.state[event.record.key] = None if event.kind is EventKind.DELETED else event.record
    return result


def _collection(key: Key) -> Collection:
    return key.resource, key.namespace


def _join(members: dict[Collection, list[Key]], keys: Iterable[Key]) -> None:
    """Note ``keys`` in the collections that they are in, of those that are asked for."""
    for key in keys:
        collection = members.get(_collection(key))
        if collection is not None and key not in collection:
            collection.append(key)


def _amended(
    write: Write, asked: Callable[[Along], Iterable[tuple[Key, Record | None]]], revision: Revision
) -> list[Event]:
    """Return what goes along with ``write``, after ``revision``. Raises what those raise who refuse it."""
    events: list[Event] = []
    for each in write.along:
        for key, record in asked(each):
            if record is None and each.needed:
                raise NotFoundError(key)
            if record is not None and (body := each.amend(record)) is not None:
                changed = Record(key, revision + len(events) + 1, body)
                events.append(Event(EventKind.MODIFIED, changed, record))
    return events


def _objection(write: Write, found: Record | None) -> StorageError | None:
    if write.expected is None:
        return AlreadyExistsError(write.key) if found is not None else None
    if found is None:
        return NotFoundError(write.key)
    if found.revision != write.expected:
        return ConflictError(write.key, expected=write.expected, current=found.revision)
    return None


def _event(write: Write, found: Record | None, revision: Revision) -> Event:
    if found is None:
        return Event(EventKind.ADDED, Record(write.key, revision, write.body or b""), None)
    if write.body is None:
        return Event(EventKind.DELETED, Record(write.key, revision, found.body), found)
    return Event(EventKind.MODIFIED, Record(write.key, revision, write.body), found)
