"""A server that just started from nothing, on every database, and a client with the administrator's certificate."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from apiserver.storage.migrate import migrate
from tests.apiserver.storage import postgresql as postgresql_server
from tests.conformance.api import KINDS, SECONDS, Api, Kind, connected
from tests.server import Server, prepare, running_server
from tests.working import working_controllers


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a database with our tables, in a private PostgreSQL."""
    with postgresql_server.running() as url:
        asyncio.run(migrate(url))
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a database is that holds our tables and nothing else."""
    if request.param == "sqlite":
        prepare(tmp_path)
        return f"sqlite:///{tmp_path}/log.db"
    url: str = request.getfixturevalue("postgresql")
    # Much cheaper than a database for each test.
    empty = "TRUNCATE objects, history; UPDATE meta SET revision = 0, compacted = 0"
    subprocess.run(["psql", "-qh", url.split("host=")[1], "-U", "postgres", "-c", empty], check=True)
    return url


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    """A running server."""
    async with running_server(tmp_path, migrated=True, database_url=database_url) as running:
        yield running


@pytest.fixture
async def controllers(server: Server) -> AsyncIterator[None]:
    """The controllers at work."""
    async with working_controllers(server.kubeconfig("controllers")):
        yield


@pytest.fixture
async def session(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    """Connections to the server as the administrator; paths are relative to it."""
    async with connected(server) as session:
        yield session


@pytest.fixture
async def bare(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    """Connections without a certificate."""
    context = ssl.create_default_context(cafile=str(server.pki.authority))
    connector, timeout = aiohttp.TCPConnector(ssl=context), aiohttp.ClientTimeout(total=SECONDS)
    async with aiohttp.ClientSession(
        f"https://127.0.0.1:{server.port}", connector=connector, timeout=timeout
    ) as session:
        yield session


@pytest.fixture
def api(session: aiohttp.ClientSession) -> Api:
    """Sends requests as the administrator."""
    return Api(session)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.kind)
def kind(request: pytest.FixtureRequest) -> Kind:
    """A namespaced kind, then one that is not."""
    return request.param
