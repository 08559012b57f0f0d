from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from client.api import Client
from tests.client.standin import StandIn, stand_in


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[StandIn, Client]]:
    async with stand_in(tmp_path) as (server, kubeconfig), Client.from_kubeconfig(kubeconfig, "tests") as client:
        yield server, client


@pytest.fixture
def server(served: tuple[StandIn, Client]) -> StandIn:
    return served[0]


@pytest.fixture
def client(served: tuple[StandIn, Client]) -> Client:
    return served[1]
