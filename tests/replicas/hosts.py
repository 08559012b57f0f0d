"""``virtplane server`` on several hosts, each with a directory and an address of its own, on one database."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import aiohttp

from certs.bootstrap import Pki
from tests.conformance.api import Api, connected
from tests.replicas.databases import free_port
from tests.server import Server
from virtplane.supervision.child import Child, Program
from virtplane.supervision.processes import virtplane


@dataclass
class Host:
    """One of them."""

    home: Path
    database_url: str
    settings: Mapping[str, str]
    port: int = field(default_factory=free_port)
    child: Child | None = None

    @property
    def server(self) -> Server:
        """Where its server is, and credentials for it."""
        return Server(self.home, self.port, Pki(self.home / "pki"))

    @property
    def pid(self) -> int:
        """The process of its server."""
        assert self.child
        return self.child.pid

    def copy_keys(self, other: "Host") -> None:
        """Take over the keys of another host, as an administrator does before the first start."""
        shutil.copytree(other.home / "pki", self.home / "pki")

    def program(self, role: str) -> Program:
        """A process of this host."""
        own = {"home": str(self.home), "port": str(self.port), "database_url": self.database_url}
        named = {**own, "node_name": self.home.name, "log_level": "warning", **self.settings}
        environment = {f"VIRTPLANE_{name.upper()}": value for name, value in named.items()}
        log = self.home / f"{role}.log"
        self.home.mkdir(exist_ok=True)
        return Program(
            name=role, command=virtplane(role), environment={**os.environ, **environment}, log=log, stop_seconds=30
        )

    async def start(self) -> None:
        """Start the server, and wait until it is ready."""
        self.child = await Child.spawn(self.program("server"))
        await self.child.until_ready()

    async def stop(self) -> None:
        """Ask the server to end."""
        if self.child is not None:
            child, self.child = self.child, None
            await child.stop()
            child.close()

    def pause(self) -> None:
        """Let the server stand still, as a host without CPU."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def session(self, identity: str = "admin") -> aiohttp.ClientSession:
        """Connections that quietly repeat nothing."""
        session = connected(self.server, identity)
        session._retry_connection = False
        return session


@asynccontextmanager
async def running_hosts(
    directory: Path, database_url: str, *, count: int = 2, settings: Mapping[str, str] = MappingProxyType({})
) -> AsyncGenerator[Sequence[Host]]:
    """Run servers on one database, with the keys of the first."""
    hosts = [Host(directory / f"host{number}", database_url, settings) for number in range(count)]
    try:
        await hosts[0].start()
        for host in hosts[1:]:
            host.copy_keys(hosts[0])
        await asyncio.gather(*(host.start() for host in hosts[1:]))
        yield hosts
    finally:
        await asyncio.gather(*(host.stop() for host in hosts))


@asynccontextmanager
async def clients(hosts: Sequence[Host]) -> AsyncGenerator[list[Api]]:
    """An administrator's connections to each."""
    async with AsyncExitStack() as stack:
        yield [Api(await stack.enter_async_context(host.session())) for host in hosts]
