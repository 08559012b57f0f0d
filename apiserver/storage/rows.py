"""From rows of the log to records and events."""

from collections.abc import Callable
from typing import Any

from apiserver.storage.contract import Event, EventKind, Key, Record, Revision

Revise = Callable[[Key, bytes], bytes]
"""Returns a body that an earlier release stored in today's form, and one that is in that form as it is."""


def as_stored(_: Key, body: bytes) -> bytes:
    """Revise nothing."""
    return body


class Rows:
    """Reads rows; only here does anything see bodies as they are stored."""

    def __init__(self, revise: Revise) -> None:
        self._revise = revise

    def record(self, row: Any) -> Record:
        """Return the record of a row of ``objects``."""
        return self._record(Key(row.resource, row.namespace, row.name), row.revision, row.body)

    def event(self, row: Any) -> Event:
        """Return the event of a row of ``history``."""
        key = Key(row.resource, row.namespace, row.name)
        previous = None
        if row.previous_body is not None:
            previous = self._record(key, row.previous_revision, row.previous_body)
        return Event(EventKind(row.kind), self._record(key, row.revision, row.body), previous)

    def _record(self, key: Key, revision: Revision, stored: Any) -> Record:
        body = bytes(stored)
        revised = self._revise(key, body)
        return Record(key, revision, revised, outdated=revised is not body)
