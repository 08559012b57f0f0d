"""Two servers on one PostgreSQL over TLS, for all tests of a module."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.conformance.api import Api
from tests.replicas.databases import Databases, running_databases
from tests.replicas.hosts import Host, clients, running_hosts


@pytest.fixture(scope="module")
def databases() -> Iterator[Databases]:
    """One database."""
    with running_databases() as databases:
        yield databases


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hosts(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Host, Host]]:
    """Two servers on it."""
    async with running_hosts(tmp_path_factory.mktemp("hosts"), databases.url) as (one, two):
        yield one, two


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def apis(hosts: tuple[Host, Host]) -> AsyncIterator[tuple[Api, Api]]:
    """The administrator, at either."""
    async with clients(hosts) as (one, two):
        yield one, two
