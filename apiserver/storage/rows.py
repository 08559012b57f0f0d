"""From rows of the log to records and events, and back."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import bindparam, delete, insert, update
from sqlalchemy.sql.dml import UpdateBase

from apiserver.storage.batch import Plan
from apiserver.storage.contract import Event, EventKind, Key, Record, Revision
from apiserver.storage.schema import history, meta, objects
from apiserver.storage.sealing import BrokenSealError, Sealing

log = structlog.get_logger()

Revise = Callable[[Key, bytes], bytes]
"""Returns a body that an earlier release stored in today's form, and one that is in that form as it is."""


Row = dict[str, Any]
_IS_KEY = (
    (objects.c.resource == bindparam("b_resource"))
    & (objects.c.namespace == bindparam("b_namespace"))
    & (objects.c.name == bindparam("b_name"))
)
INSERT = insert(objects).values(
    resource=bindparam("b_resource"),
    namespace=bindparam("b_namespace"),
    name=bindparam("b_name"),
    revision=bindparam("b_revision"),
    body=bindparam("b_body"),
)
UPDATE = update(objects).where(_IS_KEY).values(revision=bindparam("b_revision"), body=bindparam("b_body"))
DELETE = delete(objects).where(_IS_KEY)
REMEMBER = insert(history)
ADVANCE = update(meta).where(meta.c.revision == bindparam("b_after")).values(revision=bindparam("b_revision"))
"""Takes the revision of ``meta`` on, if it is still what it was: then nobody has written since."""

STATEMENTS: Sequence[UpdateBase] = (ADVANCE, INSERT, UPDATE, DELETE, REMEMBER)


@dataclass(frozen=True, slots=True)
class Changes:
    """What one commit writes: rows of ``objects`` and of ``history``, and the revisions before and after it."""

    after: Revision
    revision: Revision
    inserts: list[Row]
    updates: list[Row]
    deletes: list[Row]
    history: list[Row]

    @property
    def by_statement(self) -> Iterator[tuple[UpdateBase, list[Row]]]:
        """What to execute with which rows, in order: first ADVANCE, after which nobody else can write."""
        advance: list[Row] = [{"b_after": self.after, "b_revision": self.revision}]
        every = (advance, self.inserts, self.updates, self.deletes, self.history)
        return ((statement, rows) for statement, rows in zip(STATEMENTS, every, strict=True) if rows)


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

    def changes(self, plan: Plan, before: Mapping[Key, Record | None], after: Revision) -> Changes:
        """Return what commits ``plan``, made for ``before`` and the revision ``after``.

        Every key in ``before`` has a row, whether that could be read or not.
        """
        inserts: list[Row] = []
        updates: list[Row] = []
        deletes: list[Row] = []
        for key, record in plan.state.items():
            if record is not None:
                (updates if key in before else inserts).append(self._row(record))
            elif key in before:
                deletes.append(_key_row(key))
        revision = after + len(plan.events)
        return Changes(after, revision, inserts, updates, deletes, [self._of_history(each) for each in plan.events])

    def _of_history(self, event: Event) -> Row:
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

    def _row(self, record: Record) -> Row:
        sealed = self._sealing.seal(record.key, record.body)
        return {**_key_row(record.key), "b_revision": record.revision, "b_body": sealed}


def _key_row(key: Key) -> Row:
    return {"b_resource": key.resource, "b_namespace": key.namespace, "b_name": key.name}
