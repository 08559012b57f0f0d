"""The configuration as clients see it while it changes."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from client.api import Client
from client.configuration import LiveConfiguration
from client.informer import Informer
from client.kinds import KUBEVIRT
from tests.client.standin import StandIn

SECONDS = 10


@pytest.fixture
async def live(client: Client) -> AsyncIterator[LiveConfiguration]:
    kubevirts = Informer(client, KUBEVIRT)
    running = asyncio.create_task(kubevirts.run())
    configuration = LiveConfiguration(kubevirts)
    async with asyncio.timeout(SECONDS):
        await configuration.known()
    yield configuration
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def say(server: StandIn, cpu_model: str, name: str = "kubevirt", created: str = "2026-01-01T00:00:00Z") -> None:
    metadata = {"name": name, "namespace": "virtplane", "creationTimestamp": created}
    await server.put("kubevirts", {"metadata": metadata, "spec": {"configuration": {"cpuModel": cpu_model}}})


async def test_a_change_is_in_force_as_soon_as_it_is_told(server: StandIn, live: LiveConfiguration) -> None:
    changed = asyncio.Event()
    live.add_handler(changed.set)
    assert live.now.cpu_model is None
    for model in ("Haswell", "Nehalem"):
        changed.clear()
        await say(server, model)
        async with asyncio.timeout(SECONDS):
            await changed.wait()
        assert live.now.cpu_model == model
    assert live.now is live.now


async def test_a_younger_object_changes_nothing(server: StandIn, live: LiveConfiguration) -> None:
    told: asyncio.Queue[None] = asyncio.Queue()
    live.add_handler(lambda: told.put_nowait(None))
    await say(server, "Haswell")
    await say(server, "Nehalem", "younger", "2026-02-01T00:00:00Z")
    async with asyncio.timeout(SECONDS):
        for _ in range(2):
            await told.get()
    assert live.now.cpu_model == "Haswell"
