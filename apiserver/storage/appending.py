"""The quick commit: in one step, by a writer who knows all that is committed.

A commit that reads what it changes asks the database several times while nobody else may write. Who has everything in
memory needs to ask one thing only: whether anybody has written since. That goes with the writing itself.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError

from apiserver.storage.contract import Key, Record, Revision, UnavailableError
from apiserver.storage.engine import make_sqlite_engine, why
from apiserver.storage.rows import ADVANCE, STATEMENTS, Changes

T = TypeVar("T")

_SQLITE = {statement: str(statement.compile(dialect=sqlite.dialect(paramstyle="named"))) for statement in STATEMENTS}


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


class SqliteAppender:
    """Commits on SQLite in a thread of its own, each in one call."""

    def __init__(self, url: str) -> None:
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
            cursor = connection.cursor()
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
