"""The vocabulary of storage: keys, revisions, records, events, and the errors that carry facts.

Storage keeps bytes under keys in one logical log. Every write takes the next revision, and the revision is
the ``resourceVersion`` of the Kubernetes API, across all resources. Nothing here knows what the bytes mean.
"""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypeVar

T = TypeVar("T")

Revision = int
"""A position in the log: 1 is the first write. 0 means "before everything"."""


class Key(NamedTuple):
    """Where an object lives. ``namespace`` is empty for cluster-scoped resources."""

    resource: str
    """``plural.group``, such as ``virtualmachines.kubevirt.io``; just ``plural`` in the core group."""
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Record:
    """One state of one object: what was written at ``revision``."""

    key: Key
    revision: Revision
    body: bytes
    forms: dict[str, Any] = field(default_factory=dict[str, Any], compare=False, repr=False)
    """Decoded and encoded forms of ``body``, filled by :meth:`form`; they die with the record."""

    def form(self, name: str, build: Callable[["Record"], T]) -> T:
        """Return the form called ``name``, building it the first time it is asked for.

        All readers of a record share it, so an object is decoded once and encoded once per version,
        however many lists and watches send it. Readers must not change what they are given.
        """
        try:
            return self.forms[name]
        except KeyError:
            built = self.forms[name] = build(self)
            return built


class EventKind(StrEnum):
    """What a write did to its key; the values are those of Kubernetes' watch protocol."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Event:
    """One write, as watchers see it."""

    kind: EventKind
    record: Record
    """The state written. For DELETED the last state, at the revision of the deletion."""
    previous: Record | None
    """The state it replaced; None for ADDED. Selectors need it to see objects leave."""

    @property
    def revision(self) -> Revision:
        """The revision of the write."""
        return self.record.revision


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Records of one resource as they all were at ``revision``, ordered by namespace and name."""

    revision: Revision
    records: list[Record]


class StorageError(Exception):
    """Anything storage tells its callers."""


class NotFoundError(StorageError):
    """No object has this key."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"{key} does not exist")
        self.key = key


class AlreadyExistsError(StorageError):
    """An object already has this key."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"{key} already exists")
        self.key = key


class ConflictError(StorageError):
    """The object is no longer at the expected revision; nothing was changed."""

    def __init__(self, key: Key, *, expected: Revision, current: Revision) -> None:
        super().__init__(f"{key} is at revision {current}, not {expected}")
        self.key = key
        self.expected = expected
        self.current = current


class CompactedError(StorageError):
    """The events or the state asked for are older than what the log still keeps."""

    def __init__(self, asked: Revision, oldest: Revision) -> None:
        super().__init__(f"revision {asked} is compacted; the oldest kept is {oldest}")
        self.asked = asked
        self.oldest = oldest


class FutureRevisionError(StorageError):
    """The revision asked for has not been written, and did not appear within the wait."""

    def __init__(self, asked: Revision, current: Revision) -> None:
        super().__init__(f"revision {asked} is in the future; the log is at {current}")
        self.asked = asked
        self.current = current


class SlowWatcherError(StorageError):
    """The watcher fell so far behind that its bounded queue overflowed; it must list again."""


class UnavailableError(StorageError):
    """The database cannot be reached or refuses to commit; the write did not happen or its fate is unknown."""


class Store(Protocol):
    """What the SQL log and the watch cache both promise. A write returns only after a durable commit."""

    async def create(self, key: Key, body: bytes) -> Record:
        """Store ``body`` under a new ``key``. Raises AlreadyExistsError, UnavailableError."""
        ...

    async def replace(self, key: Key, body: bytes, *, expected: Revision) -> Record:
        """Replace ``key`` if it is still at ``expected``. Raises NotFoundError, ConflictError, UnavailableError."""
        ...

    async def remove(self, key: Key, *, expected: Revision) -> Record:
        """Remove ``key`` if it is still at ``expected``; the record is its last body at the removal's revision.

        Raises NotFoundError, ConflictError, UnavailableError.
        """
        ...

    async def get(self, key: Key) -> Record:
        """Return the newest committed state of ``key``. Raises NotFoundError."""
        ...

    async def list(self, resource: str, namespace: str | None = None, *, at: Revision | None = None) -> Snapshot:
        """Return all objects of ``resource``, in one ``namespace`` or in all, newest or as they were ``at``.

        Raises CompactedError and FutureRevisionError for an ``at`` outside the kept window.
        """
        ...

    async def latest(self) -> Revision:
        """Return the newest committed revision."""
        ...

    def watch(self, resource: str, *, after: Revision, namespace: str | None = None) -> AsyncGenerator[Event, None]:
        """Yield every event of ``resource`` after ``after``, in revision order, no gap, no duplicate, forever.

        Raises CompactedError, FutureRevisionError, SlowWatcherError. Closing the iterator ends the watch.
        """
        ...
