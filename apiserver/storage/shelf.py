"""One resource in memory: what is now, in order, and what happened lately."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice

from apiserver.storage.contract import Event, EventKind, Key, Record, Revision, Selection, Snapshot
from apiserver.storage.telling import Telling

WINDOW_EVENTS = 10_000
"""How many recent events of each resource can be replayed from memory; older ones come from the log."""
WINDOW_SLACK_EVENTS = 1_000
"""How many more there may be, so that forgetting them costs little."""
WARM_EVENTS = 500
"""How many recent events of each resource keep what was decoded and encoded of superseded states.

Older ones keep their bytes alone, so that a lease renewed for ever costs little: decoding takes ten times the room.
"""


@dataclass(slots=True)
class Shelf:
    """One resource in memory. Nothing here waits: what one call returns is of one moment."""

    resource: str
    records: dict[Key, Record] = field(default_factory=dict[Key, Record])
    order: list[Key] = field(default_factory=list[Key])
    """The keys of ``records``, sorted."""
    window: list[Event] = field(default_factory=list[Event])
    replayable_after: Revision = 0
    """Every event after this revision is in ``window``."""
    telling: Telling = field(default_factory=Telling)

    @property
    def revision(self) -> Revision:
        """The revision of the last change, or of the load where nothing has changed since."""
        return self.window[-1].revision if self.window else self.replayable_after

    def apply(self, event: Event) -> None:
        """Take in the next event, and have everybody told whom it concerns."""
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
        self._remember(event)
        self.telling.add(event)

    def _remember(self, event: Event) -> None:
        self.window.append(event)
        if len(self.window) > WARM_EVENTS:
            self._cool(self.window[-WARM_EVENTS - 1])
        if len(self.window) >= WINDOW_EVENTS + WINDOW_SLACK_EVENTS:
            self.replayable_after = self.window[-WINDOW_EVENTS - 1].revision
            del self.window[:-WINDOW_EVENTS]

    def _cool(self, event: Event) -> None:
        """Forget the forms of superseded states; a late reader builds them again."""
        if self.records.get(event.record.key) is not event.record:
            event.record.forms.clear()
        if event.previous is not None:
            event.previous.forms.clear()

    def since(self, revision: Revision, limit: int | None = None) -> list[Event]:
        """Return the events after ``revision``, which is not before ``replayable_after``; only the first ``limit``."""
        first = bisect_right(self.window, revision, key=lambda event: event.revision)
        return self.window[first:] if limit is None else self.window[first : first + limit]

    def page(
        self,
        revision: Revision,
        selection: Selection,
        undo: Sequence[Event] = (),
        start: tuple[str, str] | None = None,
        limit: int = 0,
    ) -> Snapshot:
        """Return what was selected at ``revision``, given every event since; see ``Store.list``."""
        lowest, highest = self._bounds(selection, start)
        keys = self.order[bisect_left(self.order, lowest) : bisect_left(self.order, highest)]
        before = _before(each for each in undo if lowest <= each.record.key < highest)
        if not before:
            return _cut(revision, map(self.records.__getitem__, keys), len(keys), selection, limit)
        unchanged = [key for key in keys if key not in before]
        restored = sorted(key for key, record in before.items() if record is not None)
        found = (before.get(key) or self.records[key] for key in merge(unchanged, restored))
        return _cut(revision, found, len(unchanged) + len(restored), selection, limit)

    def _bounds(self, selection: Selection, start: tuple[str, str] | None) -> tuple[Key, Key]:
        """Return the lowest key that can be selected, and the lowest above all those."""
        namespace, name = selection.namespace, selection.name
        if namespace is None:
            lowest, highest = Key(self.resource, "", ""), Key(_next(self.resource), "", "")
        elif name is None:
            lowest, highest = Key(self.resource, namespace, ""), Key(self.resource, _next(namespace), "")
        else:
            lowest, highest = Key(self.resource, namespace, name), Key(self.resource, namespace, _next(name))
        if start is not None:
            lowest = max(lowest, Key(self.resource, start[0], _next(start[1])))
        return lowest, highest


def _next(text: str) -> str:
    """Return the first text after ``text`` in order."""
    return text + "\0"


def _before(events: Iterable[Event]) -> dict[Key, Record | None]:
    """Return the state of every key that ``events`` changed, before the first of them."""
    before: dict[Key, Record | None] = {}
    for event in events:
        before.setdefault(event.record.key, event.previous)
    return before


def _cut(revision: Revision, found: Iterator[Record], total: int, selection: Selection, limit: int) -> Snapshot:
    """Take from ``found``, which are ``total``, up to ``limit`` that are selected."""
    if selection.selects is None and (selection.name is None or selection.namespace is not None):
        taken = [*islice(found, limit or None)]
        return Snapshot(revision, taken, more=total > len(taken), remaining=total - len(taken))
    selects = selection.selects or _anything
    selected = (record for record in found if selection.covers(record.key) and selects(record))
    taken = [*islice(selected, limit or None)]
    return Snapshot(revision, taken, more=next(selected, None) is not None)


def _anything(_: Record) -> bool:
    return True
