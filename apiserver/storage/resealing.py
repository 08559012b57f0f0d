"""Sealing anew: after another key came first in the key file, and what an earlier release stored as it is.

What is stored anew is the same object at the same revision, so nobody is told; and history with it, so that no key is
needed any longer once its last value was sealed with another.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import structlog
from sqlalchemy import (
    Column,
    ColumnElement,
    LargeBinary,
    Row,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    func,
    literal,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from apiserver.storage import tasks
from apiserver.storage.committing import lock
from apiserver.storage.contract import Key, UnavailableError
from apiserver.storage.engine import Transaction, make_engine, why
from apiserver.storage.keyfile import KeyFileError, read_keys
from apiserver.storage.schema import history, objects
from apiserver.storage.sealing import ID_BYTES, PREFIX, BrokenSealError, Sealing
from apiserver.storage.sql import COMMAND_SECONDS, COMMIT_SECONDS
from certs.following import Stamp, stamp_of

log = structlog.get_logger()

FOLLOW_SECONDS = 1.0
"""How soon a change of the key file is noticed."""
STEP_ROWS = 200
"""How many rows are sealed anew at once, while other writers wait."""

_BODIES: dict[Table, Sequence[Column[bytes]]] = {
    objects: (objects.c.body,),
    history: (history.c.body, history.c.previous_body),
}
"""Where bodies are."""


class Resealer:
    """Owns the task that follows the key file. Use as an async context manager.

    What is sealed otherwise than it should be is sealed anew before it is entered.
    """

    def __init__(self, url: str, sealing: Sealing, keys: Path) -> None:
        self._url = url
        self._sealing = sealing
        self._keys = keys
        self._stamp: Stamp = None
        """Of the key file when it was last read."""
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start. Raises KeyFileError, KeyMissingError, UnavailableError and OSError."""
        self._stamp = await asyncio.to_thread(self._look)
        self._sealing.use(await asyncio.to_thread(read_keys, self._keys))
        await reseal(self._url, self._sealing)
        self._task = asyncio.create_task(self._follow(), name="resealing")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop; the next start goes on."""
        if self._task is not None:
            await tasks.end(self._task)

    def _look(self) -> Stamp:
        return stamp_of(self._keys)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            stamp = await asyncio.to_thread(self._look)
            if stamp == self._stamp:
                continue
            try:
                await self._take_over()
            except (KeyFileError, OSError) as unusable:
                log.error("the keys stay as they were", why=str(unusable))  # noqa: TRY400 - the message says it all
            except UnavailableError as error:
                log.warning("sealing anew waits for the database", why=str(error))
                continue
            except Exception:
                # Whatever it is, it must not end what follows the file: the next look tries again.
                log.exception("sealing anew failed")
                continue
            self._stamp = stamp

    async def _take_over(self) -> None:
        self._sealing.use(await asyncio.to_thread(read_keys, self._keys))
        await reseal(self._url, self._sealing)
        # A commit that was under way may have been sealed with the key of before.
        await asyncio.sleep(COMMIT_SECONDS)
        await reseal(self._url, self._sealing)


async def reseal(url: str, sealing: Sealing) -> int:
    """Seal with the first key what is not, in the database at ``url``; return how many rows that were.

    What has a broken seal stays as it is. Raises KeyMissingError, UnavailableError.
    """
    engine = make_engine(url, COMMAND_SECONDS)
    try:
        if engine.dialect.name == "sqlite" and await _holds_plain(engine, sealing):
            await _vacuum(engine)  # what was deleted before may still be there
        count = sum([await _reseal_table(engine, sealing, table) for table in _BODIES])
    finally:
        await engine.dispose()
    if count:
        log.info("sealed anew", rows=count)
    return count


async def keys_in_use(url: str) -> Counter[str]:
    """Return how many values each key seals, by its id, in the database at ``url``. Raises UnavailableError."""
    engine = make_engine(url, COMMAND_SECONDS)
    found: Counter[str] = Counter()
    try:
        async with Transaction(engine) as tx:
            for column in (each for columns in _BODIES.values() for each in columns):
                name = func.substr(column, len(PREFIX) + 1, 2 * ID_BYTES, type_=LargeBinary).label("name")
                query = select(name, func.count()).where(_begins(column, PREFIX)).group_by(name)
                found.update({bytes(name).decode(): number for name, number in await tx.execute(query)})
    finally:
        await engine.dispose()
    return found


async def _holds_plain(engine: AsyncEngine, sealing: Sealing) -> bool:
    async with Transaction(engine) as tx:
        found = [await tx.scalar(_others(sealing, table, PREFIX).limit(1)) for table in _BODIES]
    return any(each is not None for each in found)


async def _reseal_table(engine: AsyncEngine, sealing: Sealing, table: Table) -> int:
    renewed = broken = 0
    while True:
        async with Transaction(engine) as tx:
            await lock(tx)
            query = _others(sealing, table, sealing.beginning).order_by(*table.primary_key).limit(STEP_ROWS)
            rows = (await tx.execute(query.offset(broken))).all()
            changes = [change for row in rows if (change := _change(sealing, table, row)) is not None]
            if changes:
                await tx.execute(_update(table), changes)
        renewed, broken = renewed + len(changes), broken + len(rows) - len(changes)
        if len(rows) < STEP_ROWS:
            return renewed


def _others(sealing: Sealing, table: Table, beginning: bytes) -> Select[Any]:
    """Select the rows of confidential resources with a body that begins otherwise."""
    other = or_(*(not_(_begins(column, beginning)) for column in _BODIES[table]))
    return select(table).where(table.c.resource.in_(sealing.resources), other)


def _begins(column: Column[bytes], beginning: bytes) -> ColumnElement[bool]:
    return func.substr(column, 1, len(beginning), type_=LargeBinary) == literal(beginning, LargeBinary)


def _change(sealing: Sealing, table: Table, row: Row[Any]) -> dict[str, Any] | None:
    """Return what to write for a row; None for one with a broken seal. Raises KeyMissingError."""
    key = Key(row.resource, row.namespace, row.name)
    change = {f"b_{column.name}": getattr(row, column.name) for column in table.primary_key}
    try:
        for column in _BODIES[table]:
            stored = getattr(row, column.name)
            renewed = None if stored is None else sealing.seal(key, sealing.open(key, bytes(stored)))
            change[f"b_{column.name}"] = renewed
    except BrokenSealError as broken:
        log.error("a stored object cannot be sealed anew", why=str(broken))  # noqa: TRY400 - the message says it all
        return None
    return change


def _update(table: Table) -> Update:
    same = and_(*(column == bindparam(f"b_{column.name}") for column in table.primary_key))
    return update(table).where(same).values({column: bindparam(f"b_{column.name}") for column in _BODIES[table]})


async def _vacuum(engine: AsyncEngine) -> None:
    try:
        async with engine.connect() as connection:
            alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await alone.exec_driver_sql("VACUUM")
    except (SQLAlchemyError, OSError) as error:
        raise UnavailableError(why(error)) from error
