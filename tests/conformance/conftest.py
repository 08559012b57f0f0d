"""A server that just started from nothing, on every database, and a client with the administrator's certificate."""

import itertools
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.apiserver.storage import postgresql as postgresql_server
from tests.conformance.api import KINDS, Api, Kind, connected
from tests.server import Server, running_server

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of the maintenance database of a private PostgreSQL."""
    with postgresql_server.running() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty database is."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/log.db"
    host = request.getfixturevalue("postgresql").split("host=")[1]
    name = f"conformance{next(_numbers)}"
    subprocess.run(["psql", "-qh", host, "-U", "postgres", "-c", f"CREATE DATABASE {name}"], check=True)
    return f"postgresql://postgres@/{name}?host={host}"


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    """A running server."""
    async with running_server(tmp_path, database_url=database_url) as running:
        yield running


@pytest.fixture
async def session(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    """Connections to the server as the administrator; paths are relative to it."""
    async with connected(server) as session:
        yield session


@pytest.fixture
def api(session: aiohttp.ClientSession) -> Api:
    """Sends requests as the administrator."""
    return Api(session)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.kind)
def kind(request: pytest.FixtureRequest) -> Kind:
    """A namespaced kind, then one that is not."""
    return request.param
