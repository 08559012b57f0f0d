"""A balancer as a Service is one: it passes new connections on to servers that are ready, one after the other."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from tests.replicas.hosts import Host

PROBE_SECONDS = 0.1


class Balancer:
    """Knows who is ready, and passes bytes on."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self._hosts = hosts
        self._ready: list[Host] = []
        self._turn = 0
        self.seen = asyncio.Event()
        """Set when all hosts are ready."""

    async def probe(self) -> None:
        """Ask again and again who is ready."""
        while True:
            answers = await asyncio.gather(*map(_is_ready, self._hosts))
            self._ready = [host for host, ready in zip(self._hosts, answers, strict=True) if ready]
            if len(self._ready) == len(self._hosts):
                self.seen.set()
            else:
                self.seen.clear()
            await asyncio.sleep(PROBE_SECONDS)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect one client."""
        self._turn += 1
        host = self._ready[self._turn % len(self._ready)]
        there = await asyncio.open_connection("127.0.0.1", host.port)
        await asyncio.gather(_pass_on(reader, there[1]), _pass_on(there[0], writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while received := await reader.read(1 << 16):
            writer.write(received)
            await writer.drain()
    writer.close()


async def _is_ready(host: Host) -> bool:
    context = ssl.create_default_context(cafile=str(host.server.pki.authority))
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection("127.0.0.1", host.port, ssl=context)
            with contextlib.closing(writer):
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                status = await reader.readline()
    except OSError:
        return False
    return b" 200 " in status


@asynccontextmanager
async def balancing(hosts: Sequence[Host]) -> AsyncGenerator[tuple[Balancer, int]]:
    """Balance between hosts; yields the port, once all are ready."""
    balancer = Balancer(hosts)
    probing = asyncio.create_task(balancer.probe())
    await balancer.seen.wait()
    async with await asyncio.start_server(balancer.serve, "127.0.0.1", 0) as server:
        yield balancer, server.sockets[0].getsockname()[1]
    probing.cancel()
    await asyncio.gather(probing, return_exceptions=True)
