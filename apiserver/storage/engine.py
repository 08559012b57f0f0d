"""How the database is spoken to: engines by URL, and transactions whose failures have one name."""

from functools import partial
from types import TracebackType
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from apiserver.storage.contract import UnavailableError
from apiserver.storage.postgresql import Recognize, connect
from apiserver.storage.urls import parse

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "busy_timeout=5000",
    "wal_autocheckpoint=1000",
    "secure_delete=ON",  # Debian's default: what is deleted is not to be found in the file
)


def async_url(url: str) -> URL:
    """Return a database URL with the driver that the log uses. Raises ValueError for databases not supported."""
    parsed = parse(url)
    backend = parsed.get_backend_name()
    if backend not in _DRIVERS:
        raise ValueError(f"database {backend!r} is not supported: use sqlite:////PATH or postgresql://USER@HOST/NAME")
    return parsed.set(drivername=_DRIVERS[backend])


def make_engine(url: str, command_seconds: float | None = None, recognize: Recognize | None = None) -> AsyncEngine:
    """Return an engine for ``url``, with SQLite set to write-ahead logging and full sync.

    PostgreSQL has ``command_seconds`` for each command, and its connections are shown to ``recognize`` first; SQLite
    waits for other writers as long as its pragma says.
    """
    parsed = async_url(url)
    if parsed.get_backend_name() == "postgresql":
        creator = partial(connect, parsed, command_seconds, recognize)
        return create_async_engine(parsed, pool_pre_ping=True, async_creator=creator)
    engine = create_async_engine(parsed, pool_pre_ping=True)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def make_sqlite_engine(url: URL) -> Engine:
    """Return an engine for a ``url`` of SQLite, set as the one of ``make_engine``, for threads."""
    engine = create_engine(url.set(drivername="sqlite"))
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


class Transaction:
    """A transaction whose database failures are UnavailableError, whatever the driver calls them."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._begin = engine.begin()

    async def __aenter__(self) -> AsyncConnection:
        try:
            return await self._begin.__aenter__()
        except (SQLAlchemyError, OSError) as error:
            raise UnavailableError(why(error)) from error

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._begin.__aexit__(kind, error, trace)
        except (SQLAlchemyError, OSError) as failure:
            if error is None or isinstance(error, Exception):
                raise UnavailableError(why(failure)) from failure
            # A cancellation stays one: the connection it came from is lost anyway.
        if isinstance(error, SQLAlchemyError | OSError):
            raise UnavailableError(why(error)) from error


def why(error: BaseException) -> str:
    """Say what failed without the statement and its parameters, which hold users' data."""
    original = getattr(error, "orig", None) or error
    return f"{type(original).__name__}: {original}".splitlines()[0]
