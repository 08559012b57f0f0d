"""A whole API server in this process that just started from nothing: real TLS, real SQLite."""

import asyncio
import contextlib
import dataclasses
import functools
import shutil
import socket
import tempfile
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apiserver.http.agents import Agents
from apiserver.server import Options, run
from apiserver.standalone import Own
from apiserver.storage.keyfile import write_keys
from apiserver.storage.migrate import migrate
from apiserver.storage.sealing import SealingKey
from certs.bootstrap import Pki, ensure
from certs.kubeconfig import write_kubeconfig
from certs.purposes import AGENT_CLIENT, CALLERS, STREAMS

ENCRYPTION_KEYS = "encryption.keys"
OF_ITS_OWN = {each.name for each in dataclasses.fields(Own)}
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
            pair=self.pki.pair(identity),
            user=identity,
            embed=identity == "admin",  # as `virtplane up` has it
        )
        return path


_FIRST = threading.Lock()
"""Two first starts in two threads would both be made, and alembic can only do one at a time."""


@functools.cache
def _first_start() -> tempfile.TemporaryDirectory[str]:
    """What a first start makes, made once for all servers of the tests: certificates, and an empty database."""
    made = tempfile.TemporaryDirectory(prefix="virtplane-server-")
    pki = Path(made.name) / "pki"
    ensure(pki, ["127.0.0.1"], NODE)
    write_keys(pki / ENCRYPTION_KEYS, [SealingKey.new()])
    asyncio.run(migrate(f"sqlite:///{made.name}/log.db"))
    return made


def prepare(directory: Path) -> None:
    """Put what a first start makes into ``directory``, unless an earlier server was started there."""
    if not (directory / "pki").exists():
        with _FIRST:
            made = _first_start()
        shutil.copytree(made.name, directory, dirs_exist_ok=True)


def own(server: Server, **how: Any) -> Own:
    """What a server needs that is its own cluster; ``how`` says what is not to be the usual."""
    usual = {
        "client_authorities": tuple(map(server.pki.bundle, CALLERS)),
        "token_key": server.pki.tokens,
        "encryption_keys": server.pki.directory / ENCRYPTION_KEYS,
    }
    return Own(**{**usual, **how})


@contextlib.asynccontextmanager
async def running_server(directory: Path, *, migrated: bool = False, **how: Any) -> AsyncIterator[Server]:
    """Serve from ``directory``; ``how`` are options of the server that are not to be the usual ones.

    ``migrated`` says that the database which ``how`` names has its tables already.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = how.get("port", free.getsockname()[1])
    await asyncio.to_thread(prepare, directory)
    server = Server(directory, port, Pki(directory / "pki"))
    usual = {
        "address": "127.0.0.1",
        "port": port,
        "database_url": f"sqlite:///{directory}/log.db",
        "certificate": server.pki.pair("server"),
        "around": own(server, **{name: how.pop(name) for name in OF_ITS_OWN & how.keys()}),
        "agents": Agents(authority=server.pki.bundle(STREAMS), certificate=server.pki.pair(AGENT_CLIENT.file)),
    }
    options = Options(**{**usual, **how})
    if "database_url" in how and not migrated:
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
