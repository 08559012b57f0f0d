"""Bytes between a client's WebSocket and the socket of a guest's device, as they come.

Nothing is kept but what the buffers of both connections hold: who sends faster than the other reads has to wait.
"""

import asyncio
from contextlib import suppress

from aiohttp import WSMsgType, web

from client.running import first

CHUNK_BYTES = 32 * 1024


async def relay(
    client: web.WebSocketResponse, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, over: asyncio.Event
) -> None:
    """Pass on until the client goes, the device's connection ends, or ``over`` is set."""

    async def ended() -> None:
        await over.wait()

    await first(_to_device(client, writer), _to_client(reader, client), ended())


async def _to_device(client: web.WebSocketResponse, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while (message := await client.receive()).type in (WSMsgType.BINARY, WSMsgType.TEXT):
            # Terminals in browsers send text.
            writer.write(message.data if message.type == WSMsgType.BINARY else message.data.encode())
            await writer.drain()


async def _to_client(reader: asyncio.StreamReader, client: web.WebSocketResponse) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(CHUNK_BYTES):
            await client.send_bytes(chunk)
