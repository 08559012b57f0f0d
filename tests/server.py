"""A whole API server in this process that just started from nothing: real TLS, real SQLite."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apiserver.server import Options, run
from apiserver.storage.migrate import migrate
from certs.bootstrap import Pki, ensure
from certs.kubeconfig import write_kubeconfig

START_SECONDS = 20
NODE = "one"
"""The node whose agent has a certificate."""


@dataclass(frozen=True)
class Server:
    """Where it is, and credentials for it."""

    directory: Path
    port: int
    pki: Pki

    def kubeconfig(self, identity: str) -> Path:
        """The kubeconfig of ``admin``, ``controllers`` or ``agent``."""
        path = self.directory / f"{identity}.kubeconfig"
        write_kubeconfig(
            path,
            server=f"https://127.0.0.1:{self.port}",
            authority=self.pki.authority,
            certificate=self.pki.certificate(identity),
            key=self.pki.key(identity),
            user=identity,
        )
        return path


@contextlib.asynccontextmanager
async def running_server(directory: Path, **how: Any) -> AsyncIterator[Server]:
    """Serve from ``directory``; ``how`` are options of the server that are not to be the usual ones."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Server(directory, port, ensure(directory / "pki", ["127.0.0.1"], NODE))
    usual = {
        "address": "127.0.0.1",
        "port": port,
        "database_url": f"sqlite:///{directory}/log.db",
        "certificate": server.pki.certificate("server"),
        "key": server.pki.key("server"),
        "client_ca": server.pki.authority,
    }
    options = Options(**{**usual, **how})
    await migrate(options.database_url)
    stop, ready = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(run(options, stop, ready))
    starting = asyncio.create_task(ready.wait())
    try:
        async with asyncio.timeout(START_SECONDS):
            await asyncio.wait((serving, starting), return_when=asyncio.FIRST_COMPLETED)
        if not ready.is_set():
            await serving
        yield server
    finally:
        starting.cancel()
        stop.set()
        await serving
