"""What is passed on waits for whoever is slow, on both sides: nothing piles up in between, and nothing is lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from nodeagent.streams.relay import relay

SECONDS = 20
STUCK_SECONDS = 0.3
MOST = 64 * 2**20
"""More than all buffers of all connections hold."""
CHUNK = bytes(2**16)

Device = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def ends(tmp_path: Path) -> AsyncIterator[tuple[aiohttp.ClientWebSocketResponse, Device]]:
    """A client, and the device at the other end."""
    accepted: asyncio.Queue[Device] = asyncio.Queue()

    async def accept(*device: asyncio.StreamReader | asyncio.StreamWriter) -> None:
        await accepted.put(device)  # pyright: ignore[reportArgumentType] - a reader and a writer

    async def connect(request: web.Request) -> web.StreamResponse:
        client = web.WebSocketResponse()
        await client.prepare(request)
        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
        try:
            await relay(client, reader, writer, asyncio.Event())
        finally:
            writer.transport.abort()
        return client

    app = web.Application()
    app.router.add_get("/", connect)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(await asyncio.start_unix_server(accept, tmp_path / "s"))
        server = await stack.enter_async_context(TestServer(app))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        client = await stack.enter_async_context(session.ws_connect(server.make_url("/")))
        device = await accepted.get()
        yield client, device
        device[1].transport.abort()


async def written(write: Callable[[bytes], Awaitable[None]]) -> int:
    """Write until no more is taken, or too much is; return how much was."""
    total = 0
    with contextlib.suppress(TimeoutError):
        while total < MOST:
            total += len(CHUNK)
            async with asyncio.timeout(STUCK_SECONDS):
                await write(CHUNK)
    return total


async def test_a_device_waits_for_a_client_that_does_not_read(
    ends: tuple[aiohttp.ClientWebSocketResponse, Device],
) -> None:
    client, (_, writer) = ends

    async def write(chunk: bytes) -> None:
        writer.write(chunk)
        await writer.drain()

    said = await written(write)
    assert len(CHUNK) < said < MOST
    heard = 0
    async with asyncio.timeout(SECONDS):
        while heard < said:
            heard += len(await client.receive_bytes())
    assert heard == said


async def test_a_client_waits_for_a_device_that_does_not_read(
    ends: tuple[aiohttp.ClientWebSocketResponse, Device],
) -> None:
    client, (reader, _) = ends
    said = await written(client.send_bytes)
    assert len(CHUNK) < said < MOST
    async with asyncio.timeout(SECONDS):
        assert len(await reader.readexactly(said)) == said
