"""The stores under test: the log on SQLite and on PostgreSQL, bare and behind the watch cache."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from apiserver.storage.cache import WatchCache
from apiserver.storage.migrate import migrate
from apiserver.storage.sql import SqlLog
from tests.apiserver.storage import postgresql as postgresql_server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of the maintenance database of a private PostgreSQL."""
    with postgresql_server.running() as url:
        yield url


async def _new_database(postgresql: str, tmp_path: Path) -> str:
    name = f"t{abs(hash(tmp_path))}"
    host = postgresql.split("host=")[1]
    subprocess.run(["psql", "-qh", host, "-U", "postgres", "-c", f"CREATE DATABASE {name}"], check=True)
    url = f"postgresql://postgres@/{name}?host={host}"
    await migrate(url)
    return url


@pytest.fixture
async def postgresql_url(postgresql: str, tmp_path: Path) -> str:
    """An empty, migrated database on PostgreSQL."""
    return await _new_database(postgresql, tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty, migrated database."""
    if request.param == "postgresql":
        return await _new_database(request.getfixturevalue("postgresql"), tmp_path)
    url = f"sqlite:///{tmp_path}/log.db"
    await migrate(url)
    return url


@pytest.fixture
async def cache(database_url: str) -> AsyncIterator[WatchCache]:
    """The store as the server has it."""
    async with SqlLog(database_url) as log, WatchCache(log) as cache:
        yield cache


@pytest.fixture(params=["log", "cache"])
async def store(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[SqlLog | WatchCache]:
    """What writes and reads: the bare log, and the cache in front of it."""
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(SqlLog(database_url))
        yield log if request.param == "log" else await stack.enter_async_context(WatchCache(log))
