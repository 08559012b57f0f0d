"""The application on a port: each connection is one of ours."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import web

from apiserver.http.app import QUICK_READS
from apiserver.http.connection import Connection


@asynccontextmanager
async def listening(
    app: web.Application, address: str, port: int, tls: ssl.SSLContext, shutdown_seconds: float
) -> AsyncGenerator[int]:
    """Serve ``app`` at ``address``; yields the port, which is any that is free where 0 is asked for.

    At the end what is under way has ``shutdown_seconds`` to finish. Raises OSError when the port is taken.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=shutdown_seconds)
    await runner.setup()
    try:
        loop, manager = asyncio.get_running_loop(), runner.server
        assert manager is not None  # noqa: S101 - there since the setup

        def connected() -> Connection:
            return Connection(manager, loop, app[QUICK_READS])

        server = await loop.create_server(connected, address, port, ssl=tls, reuse_address=True)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()  # to new connections alone: those that are open end with the runner
    finally:
        await runner.cleanup()
