"""The vocabulary of storage: keys, revisions, records, events, and the errors that carry facts.

Storage keeps bytes under keys in one logical log. Every write takes the next revision, and the revision is
the ``resourceVersion`` of the Kubernetes API, across all resources. Nothing here knows what the bytes mean.
"""

from asyncio import Future
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, Self, TypeVar

T = TypeVar("T")

Revision = int
"""A position in the log: 1 is the first write. 0 means "before everything"."""


Collection = tuple[str, str]
"""A resource and a namespace: everything of the one in the other."""


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
    outdated: bool = field(default=False, compare=False)
    """True when the database still holds ``body`` as an earlier release wrote it: it is worth writing again."""

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

    def seen_by(self, selects: "Selects | None") -> "Event | None":
        """Return the event as one sees it who sees only what ``selects`` agrees to; None when that is nothing.

        Objects appear and disappear as they start and stop to match. One that stops shows its last matching state, at
        the revision of the write (``k8s.io/apiserver/pkg/storage/cacher.cacheWatcher.convertToWatchEvent``).
        """
        if selects is None:
            return self
        matched = self.previous is not None and selects(self.previous)
        matches = self.kind is not EventKind.DELETED and selects(self.record)
        if matches == matched:
            return self if matches else None
        if matches:
            return self if self.kind is EventKind.ADDED else Event(EventKind.ADDED, self.record, None)
        if self.kind is EventKind.DELETED:
            return self
        return Event(EventKind.DELETED, self.record.form("last matching", self._last), self.previous)

    def _last(self, written: Record) -> Record:
        return Record(written.key, written.revision, self.previous.body if self.previous else b"")


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that happened one after the other, at least one, for all who are told of them together."""

    events: Sequence[Event]
    _forms: dict[str, Any] = field(default_factory=dict[str, Any], compare=False, repr=False)

    def form(self, name: str, build: Callable[["Batch"], T]) -> T:
        """Return the form called ``name``, building it the first time it is asked for; see ``Record.form``."""
        if name not in self._forms:
            self._forms[name] = build(self)
        return self._forms[name]


Tell = Callable[[Batch], bool]
"""Takes what has just happened, at once, and returns True; or False to leave it all."""

Amend = Callable[[Record], bytes | None]
"""Returns the new body of a record, or None to leave it. Asked within the commit, so it must be quick.

It refuses the write that it goes along with by raising a StorageError; any other exception is a fault, and fails that
write alone, too.
"""


@dataclass(frozen=True, slots=True)
class Along:
    """A change of another record that is committed together with a write, or neither of them is.

    ``amend`` is given the record as it is when the write's turn has come, whoever else writes. Where there is no
    record, nothing is asked.
    """

    key: Key
    amend: Amend
    needed: bool = False
    """True when without the record the write is refused, with a NotFoundError of this key."""
    every: bool = False
    """True when every record of the key's resource and namespace is asked, whatever the key's name."""


Selects = Callable[[Record], bool]
"""Whether a record is wanted. Asked often, and while others wait: it must be quick, and must not raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which records of a resource: those in ``namespace``, called ``name``, that ``selects`` agrees to."""

    namespace: str | None = None
    """None for all of them; empty for what is in none."""
    name: str | None = None
    selects: Selects | None = None

    def covers(self, key: Key) -> bool:
        """Return True when ``key`` has the right namespace and name."""
        return self.namespace in (None, key.namespace) and self.name in (None, key.name)


EVERYTHING = Selection()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Records of one resource as they all were at ``revision``, ordered by namespace and name."""

    revision: Revision
    records: list[Record]
    more: bool = False
    """True when a limit kept some from being here."""
    remaining: int | None = None
    """How many they are; None when only asking each of them could tell."""


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


class UnavailableError(StorageError):
    """The database cannot be reached or refuses to commit; the write did not happen or its fate is unknown."""


class Watch(Protocol):
    """One reader of the log: every selected event after a revision, in revision order, no gap, no duplicate.

    It is an async context manager; leaving it ends the watch. A reader may be as slow as it likes, and holds up nobody:
    what it has not taken yet it is given from the log, until that is compacted.
    """

    @property
    def revision(self) -> Revision:
        """Every selected event up to here has been taken: a watch may be resumed after it."""
        ...

    async def take(self) -> Sequence[Event]:
        """Return the next events; none when somebody called ``wake`` and there are none.

        Raises CompactedError, UnavailableError.
        """
        ...

    def wake(self) -> None:
        """Let ``take``, this or the next one, return although there is nothing to take."""
        ...

    async def __aenter__(self) -> Self:
        """Start. Raises FutureRevisionError when the log does not get as far as the watch starts, soon."""
        ...

    async def __aexit__(self, *_: object) -> None:
        """End."""
        ...


class Store(Protocol):
    """What the registry asks of storage. A write returns only after a durable commit.

    ``at_least`` bounds how old an answer may be: None for the newest committed state, 0 for whatever is at hand.
    """

    async def create(self, key: Key, body: bytes, *, along: Sequence[Along] = ()) -> Record:
        """Store ``body`` under a new ``key``. Raises AlreadyExistsError, UnavailableError, what ``along`` raises."""
        ...

    async def replace(self, key: Key, body: bytes, *, expected: Revision, along: Sequence[Along] = ()) -> Record:
        """Replace ``key`` if it is still at ``expected``.

        Raises NotFoundError, ConflictError, UnavailableError, what ``along`` raises.
        """
        ...

    async def remove(self, key: Key, *, expected: Revision) -> Record:
        """Remove ``key`` if it is still at ``expected``; the record is its last body at the removal's revision.

        Raises NotFoundError, ConflictError, UnavailableError.
        """
        ...

    async def get(self, key: Key, *, at_least: Revision | None = None) -> Record:
        """Return the state of ``key``. Raises NotFoundError, FutureRevisionError, UnavailableError."""
        ...

    @property
    def revision(self) -> Revision:
        """How much is in memory: all up to this revision."""
        ...

    def newest(self) -> Revision | Future[Revision]:
        """Return the newest committed revision, or who will know it: UnavailableError may be its answer."""
        ...

    def peek(self, key: Key) -> Record | None:
        """Return what is in memory under ``key``."""
        ...

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
        """Return what is selected of ``resource``, exactly as it was ``at`` a revision when one is given.

        Only what comes after the namespace and name ``start``, and of that the first ``limit``, when they are given.
        Raises CompactedError for an ``at`` that is no longer kept, FutureRevisionError for one, or for an
        ``at_least``, that the log does not get to soon, and UnavailableError.
        """
        ...

    async def latest(self) -> Revision:
        """Return the newest committed revision."""
        ...

    def watch(
        self, resource: str, selection: Selection = EVERYTHING, *, after: Revision, tell: Tell | None = None
    ) -> Watch:
        """Return the watch of what is selected of ``resource``; it starts when it is entered.

        While ``take`` waits, ``tell`` is told first, which spares waking the reader: it only gets what that leaves.
        """
        ...
