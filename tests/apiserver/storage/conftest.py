"""The stores under test: the log on SQLite and on PostgreSQL, bare and behind the watch cache."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from apiserver.storage.cache import WatchCache
from apiserver.storage.contract import Store
from apiserver.storage.migrate import migrate
from apiserver.storage.sql import SqlLog


def _postgresql_binary(name: str) -> str:
    found = shutil.which(name) or next(
        (str(p) for p in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None
    )
    assert found, f"{name} is missing: install Debian's postgresql"
    return found


def _as_postgres(*command: str) -> None:
    """Run as the user ``postgres`` when we are root, which PostgreSQL refuses to run as."""
    prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    subprocess.run([*prefix, *command], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A private PostgreSQL cluster on a Unix socket; yields the URL of its maintenance database."""
    directory = Path(tempfile.mkdtemp(prefix="virtplane-pg-"))
    if os.geteuid() == 0:
        shutil.chown(directory, "postgres", "postgres")
    control = _postgresql_binary("pg_ctl")
    data = str(directory / "data")
    _as_postgres(_postgresql_binary("initdb"), "--auth=trust", "--username=postgres", "--no-sync", "-D", data)
    options = f"-c listen_addresses= -c unix_socket_directories={directory} -c max_connections=100"
    _as_postgres(control, "-w", "-D", data, "-l", f"{directory}/log", "-o", options, "start")
    try:
        yield f"postgresql://postgres@/postgres?host={directory}"
    finally:
        _as_postgres(control, "-w", "-m", "immediate", "-D", data, "stop")
        shutil.rmtree(directory)


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


@pytest.fixture(params=["log", "cache"])
async def store(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Store]:
    """Every implementation of the contract."""
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(SqlLog(database_url))
        yield log if request.param == "log" else await stack.enter_async_context(WatchCache(log))
