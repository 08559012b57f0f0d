"""The application on a port: each connection is one of ours, and so is each request."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web

from apiserver.http.app import App
from apiserver.http.connection import Connection
from apiserver.http.request import Request


@asynccontextmanager
async def listening(
    app: App, address: str, port: int, tls: ssl.SSLContext, shutdown_seconds: float
) -> AsyncGenerator[int]:
    """Serve ``app`` at ``address``; yields the port, which is any that is free where 0 is asked for.

    At the end what is under way has ``shutdown_seconds`` to finish. Raises OSError when the port is taken.
    """
    loop = asyncio.get_running_loop()
    manager = web.Server(
        app.answer,  # pyright: ignore[reportArgumentType] - it is given what the factory makes
        request_factory=partial(Request, app.site),
    )
    runner = web.ServerRunner(manager, shutdown_timeout=shutdown_seconds)
    await runner.setup()
    try:
        server = await loop.create_server(
            lambda: Connection(manager, loop, app.quick_reads), address, port, ssl=tls, reuse_address=True
        )
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()  # to new connections alone: those that are open end with the runner
    finally:
        await runner.cleanup()
