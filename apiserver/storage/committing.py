"""What a commit reads before it is planned, and how it is written within a transaction."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from apiserver.storage.batch import Write
from apiserver.storage.contract import Collection, Key, Record, Revision
from apiserver.storage.rows import Changes, Rows
from apiserver.storage.schema import meta, objects

CHANNEL = "virtplane_log"
"""Where PostgreSQL tells every replica of each commit."""


class Memory(Protocol):
    """Who knows all that is committed: the watch cache."""

    @property
    def complete_at(self) -> Revision | None:
        """The revision up to which everything is known; None where that is not sure."""
        ...

    def peek(self, key: Key) -> Record | None:
        """Return what is under ``key``."""
        ...

    def records(self, resource: str, namespace: str | None = None) -> Iterable[Record]:
        """Return what there is of ``resource``."""
        ...


async def lock(tx: AsyncConnection) -> Revision:
    """Lock the one row of ``meta``, so that nobody else writes until ``tx`` ends; return the newest revision."""
    locked = await tx.execute(update(meta).values(revision=meta.c.revision).returning(meta.c.revision))
    return locked.scalar_one()


async def concerned(tx: AsyncConnection, batch: Sequence[Write], stored: Rows) -> dict[Key, Record | None]:
    """Return all that the writes of a batch change or ask; None for what is there and counts as deleted."""
    names: dict[Collection, set[str]] = {}
    for key in (key for write in batch for key in write.keys):
        names.setdefault((key.resource, key.namespace), set()).add(key.name)
    asked = {each for write in batch for each in write.collections}
    # Tuples that are in a list would be simpler, and have SQLite read the whole table.
    parts = [within(where) & objects.c.name.in_(each) for where, each in names.items()]
    rows = await tx.execute(select(objects).where(or_(*parts, *map(within, asked))))
    return {Key(row.resource, row.namespace, row.name): stored.record(row) for row in rows}


def remembered(memory: Memory, batch: Sequence[Write]) -> dict[Key, Record | None]:
    """Return what ``concerned`` does, from memory."""
    found = [memory.peek(key) for write in batch for key in write.keys]
    for resource, namespace in {each for write in batch for each in write.collections}:
        found += memory.records(resource, namespace)
    return {record.key: record for record in found if record is not None}


async def store(tx: AsyncConnection, changes: Changes) -> None:
    """Write ``changes``, and tell other replicas of them once ``tx`` is committed."""
    if not changes.history:
        return
    for statement, rows in changes.by_statement:
        await tx.execute(statement, rows)
    if tx.dialect.name == "postgresql":
        await tx.execute(select(func.pg_notify(CHANNEL, str(changes.revision))))


def within(collection: Collection) -> ColumnElement[bool]:
    """Select what a collection holds."""
    resource, namespace = collection
    return (objects.c.resource == resource) & (objects.c.namespace == namespace)
