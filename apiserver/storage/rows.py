"""From rows of the log to records and events, and back."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog

from apiserver.storage.contract import Event, EventKind, Key, Record, Revision
from apiserver.storage.sealing import BrokenSealError, Sealing

log = structlog.get_logger()

Revise = Callable[[Key, bytes], bytes]
"""Returns a body that an earlier release stored in today's form, and one that is in that form as it is."""


def as_stored(_: Key, body: bytes) -> bytes:
    """Revise nothing."""
    return body


class Rows:
    """Reads and makes rows; only here does anything see bodies as they are stored."""

    def __init__(self, revise: Revise, sealing: Sealing) -> None:
        self._revise = revise
        self._sealing = sealing

    def record(self, row: Any) -> Record | None:
        """Return the record of a row of ``objects``; None for one with a broken seal, which counts as deleted.

        Raises KeyMissingError.
        """
        key = Key(row.resource, row.namespace, row.name)
        try:
            return self._record(key, row.revision, row.body)
        except BrokenSealError as broken:
            log.error("a stored object counts as deleted", why=str(broken))  # noqa: TRY400 - the message says it all
            return None

    def records(self, rows: Iterable[Any]) -> list[Record]:
        """Return the records of rows of ``objects``, without those that count as deleted. Raises KeyMissingError."""
        return [record for row in rows if (record := self.record(row)) is not None]

    def event(self, row: Any) -> Event:
        """Return the event of a row of ``history``. Raises BrokenSealError, KeyMissingError."""
        key = Key(row.resource, row.namespace, row.name)
        previous = None
        if row.previous_body is not None:
            previous = self._record(key, row.previous_revision, row.previous_body)
        return Event(EventKind(row.kind), self._record(key, row.revision, row.body), previous)

    def of_objects(
        self, after: Mapping[Key, Record | None], before: Mapping[Key, Record | None]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the rows of ``objects`` to insert, to update and to delete.

        Every key in ``before`` has a row, whether that could be read or not.
        """
        inserts = [self._row(record) for key, record in after.items() if record is not None and key not in before]
        updates = [self._row(record) for key, record in after.items() if record is not None and key in before]
        deletes = [_key_row(key) for key, record in after.items() if record is None and key in before]
        return inserts, updates, deletes

    def of_history(self, event: Event) -> dict[str, Any]:
        """Return the row of ``history`` that replays ``event``."""
        key, previous = event.record.key, event.previous
        return {
            "revision": event.revision,
            "resource": key.resource,
            "namespace": key.namespace,
            "name": key.name,
            "kind": event.kind.value,
            "body": self._sealing.seal(key, event.record.body),
            "previous_revision": previous.revision if previous else None,
            "previous_body": self._sealing.seal(key, previous.body) if previous else None,
        }

    def _record(self, key: Key, revision: Revision, stored: Any) -> Record:
        body = self._sealing.open(key, bytes(stored))
        revised = self._revise(key, body)
        return Record(key, revision, revised, outdated=revised is not body)

    def _row(self, record: Record) -> dict[str, Any]:
        sealed = self._sealing.seal(record.key, record.body)
        return {**_key_row(record.key), "b_revision": record.revision, "b_body": sealed}


def _key_row(key: Key) -> dict[str, Any]:
    return {"b_resource": key.resource, "b_namespace": key.namespace, "b_name": key.name}
