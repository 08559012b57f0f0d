"""The quick commit: in one step, by a writer who knows all that is committed.

A commit that reads what it changes asks the database several times while nobody else may write. Who has everything in
memory needs to ask one thing only: whether anybody has written since. That goes with the writing itself:
a commit is one call of SQLite in a thread of its own, or one statement on PostgreSQL.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import URL
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError

from apiserver.storage.committing import CHANNEL
from apiserver.storage.contract import UnavailableError
from apiserver.storage.engine import make_sqlite_engine, why
from apiserver.storage.postgresql import Connection
from apiserver.storage.rows import ADVANCE, STATEMENTS, Changes, Row
from apiserver.storage.schema import history

T = TypeVar("T")

_SQLITE = {statement: str(statement.compile(dialect=sqlite.dialect(paramstyle="named"))) for statement in STATEMENTS}
_POSTGRESQL = f"""
WITH turn AS (
    UPDATE meta SET revision = $2 WHERE revision = $1 RETURNING revision
), written AS (
    INSERT INTO objects (resource, namespace, name, revision, body)
    SELECT o.* FROM turn, unnest($3::text[], $4::text[], $5::text[], $6::bigint[], $7::bytea[]) AS o
    ON CONFLICT (resource, namespace, name) DO UPDATE SET revision = excluded.revision, body = excluded.body
), deleted AS (
    DELETE FROM objects USING turn, unnest($8::text[], $9::text[], $10::text[]) AS o (resource, namespace, name)
    WHERE (objects.resource, objects.namespace, objects.name) = (o.resource, o.namespace, o.name)
), happened AS (
    INSERT INTO history (revision, resource, namespace, name, kind, body, previous_revision, previous_body)
    SELECT h.* FROM turn, unnest(
        $11::bigint[], $12::text[], $13::text[], $14::text[], $15::text[], $16::bytea[], $17::bigint[], $18::bytea[]
    ) AS h
)
SELECT pg_notify('{CHANNEL}', revision::text) FROM turn
"""  # noqa: S608 - the channel is ours
"""Whoever else writes must take its turn first, too: if the revision is what it was, so is everything."""
_KEY_COLUMNS = ("b_resource", "b_namespace", "b_name")
_OBJECT_COLUMNS = (*_KEY_COLUMNS, "b_revision", "b_body")
_HISTORY_COLUMNS = tuple(column.name for column in history.c)


class SqliteAppender:
    """Commits on SQLite in a thread of its own, each in one call."""

    process = None
    """Nobody else is told of commits, by which process or otherwise."""

    def __init__(self, url: URL) -> None:
        self._engine = make_sqlite_engine(url)
        self._thread = ThreadPoolExecutor(1, "storage commits")

    async def append(self, changes: Changes) -> bool:
        """Commit ``changes``; False, and nothing happened, when they do not fit what the database holds.

        Raises UnavailableError.
        """
        try:
            return await self._run(partial(self._append, changes))
        except (sqlite3.Error, SQLAlchemyError) as error:
            raise UnavailableError(why(error)) from error

    async def close(self) -> None:
        """Let go of the database, after a commit that is under way."""
        await self._run(self._engine.dispose)
        self._thread.shutdown(wait=False)

    def _run(self, call: Callable[[], T]) -> "asyncio.Future[T]":
        return asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _append(self, changes: Changes) -> bool:
        connection = self._engine.raw_connection()
        try:
            # A failure would keep a cursor, and that the file of a connection that is closed.
            with closing(connection.cursor()) as cursor:
                for statement, rows in changes.by_statement:
                    cursor.executemany(_SQLITE[statement], rows)
                    if statement is ADVANCE and cursor.rowcount != 1:
                        return False
            connection.commit()
        except sqlite3.IntegrityError:  # a row with a broken seal, which memory does not have
            return False
        except sqlite3.Error:
            connection.invalidate()
            raise
        finally:
            connection.close()  # back into the pool, which rolls back what was not committed
        return True


class PostgresqlAppender:
    """Commits on PostgreSQL, over a connection of its own."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect
        self._connection: Connection = None

    @property
    def process(self) -> int | None:
        """The process of PostgreSQL that commits."""
        return self._connection and self._connection.get_server_pid()

    async def append(self, changes: Changes) -> bool:
        """See SqliteAppender."""
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._connect()
            return await self._connection.fetchrow(_POSTGRESQL, *_arguments(changes)) is not None
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            await self.close()
            raise UnavailableError(why(error)) from error
        except BaseException:  # cancelled, so that nobody knows what it still does
            await self.close()
            raise

    async def close(self) -> None:
        """See SqliteAppender."""
        if self._connection is not None:
            self._connection.terminate()  # a close waits for PostgreSQL, which perhaps does not answer
            self._connection = None


def _arguments(changes: Changes) -> Iterable[Any]:
    """Return the parameters of ``_POSTGRESQL``: what has many rows, column by column."""
    yield changes.after
    yield changes.revision
    yield from _columns([*changes.inserts, *changes.updates], _OBJECT_COLUMNS)
    yield from _columns(changes.deletes, _KEY_COLUMNS)
    yield from _columns(changes.history, _HISTORY_COLUMNS)


def _columns(rows: Sequence[Row], names: Iterable[str]) -> Iterator[list[Any]]:
    return ([row[name] for row in rows] for name in names)
