"""Servers in processes of their own, that can be killed.

Run as a module, it is such a process: it serves until its standard input ends.
"""

import asyncio
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from apiserver.http import watches
from apiserver.storage.migrate import migrate
from certs.bootstrap import Pki
from tests.server import Server, prepare, running_server
from virtplane import logs

ROOT = Path(__file__).parents[2]
START_SECONDS = 30
BOOKMARK_SECONDS = 0.05
"""Often, so that some come while much happens."""


@dataclass
class Replica:
    """One server on a database that it may share with others."""

    server: Server
    database_url: str
    up: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while it answers."""
    kills: int = 0
    _process: asyncio.subprocess.Process | None = None

    @classmethod
    async def prepare(cls, directory: Path, database_url: str, count: int) -> list["Replica"]:
        """Return replicas that are not started yet, with one certificate authority."""
        await asyncio.to_thread(prepare, directory)
        await migrate(database_url)
        return [cls(Server(directory, _free_port(), Pki(directory / "pki")), database_url) for _ in range(count)]

    async def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.conformance.replica",
            str(self.server.directory),
            self.database_url,
            str(self.server.port),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout
        async with asyncio.timeout(START_SECONDS):
            assert await self._process.stdout.readline() == b"ready\n"
        self.up.set()

    async def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process
        self.up.clear()
        self.kills += 1
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        """End it as it should end."""
        if self._process is not None and self._process.returncode is None:
            assert self._process.stdin
            self._process.stdin.close()
            await self._process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


async def _serve(directory: str, database_url: str, port: str) -> None:
    async with running_server(Path(directory), database_url=database_url, port=int(port)):
        print("ready", flush=True)  # noqa: T201 - the parent waits for it
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    watches.BOOKMARK_SECONDS = BOOKMARK_SECONDS
    logs.configure("server", level="WARNING")
    uvloop.run(_serve(*sys.argv[1:]))
