"""Load that notices everything: no request may fail, no watch end or miss a change, no console lose what is sent."""

import asyncio
import gc
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import aiohttp

from certs.purposes import ADMIN
from client.api import Client
from client.kinds import CONFIG_MAP
from client.tls import FollowingContext
from tests.e2e.separate import NAMESPACE, Installation

COUNTER = "counter"
PERIOD = 0.1
"""Seconds from the beginning of one request to that of the next."""
READERS, NEWCOMERS, COUNTERS, PROBES = 14, 3, 2, 1
"""How many make a request in each period: 200 requests a second in all, each fifth over a connection of its own."""
WATCHES = 50
ANSWER_SECONDS = 20

Work = tuple[str, Callable[[], Awaitable[object]]]


@dataclass
class Load:
    """What was done, and all that went wrong."""

    requests: int = 0
    told: int = 0
    """Changes that watches were told."""
    echoes: int = 0
    """Lines that guests have sent back."""
    failures: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def repeat(self, what: str, do: Callable[[], Awaitable[object]]) -> None:
        """Do it in each period until all is over; whoever is late goes on at once."""
        clock = asyncio.get_running_loop().time
        due = clock()
        while not self.over.is_set():
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await do()
            except Exception as wrong:  # noqa: BLE001 - whatever it is, it is what must not happen
                self.failures.append(f"{what}: {type(wrong).__name__}: {wrong}")
            due += PERIOD
            await asyncio.sleep(max(0, due - clock()))


class Counter:
    """An object that changes all the time, and those who read and watch it."""

    def __init__(self, load: Load, client: Client) -> None:
        self._load = load
        self._client = client
        self._turn = asyncio.Lock()
        self._number = 0
        self._last: int | None = None

    async def create(self) -> str:
        """Make the object, and return the version to watch it from."""
        metadata = {"name": COUNTER, "namespace": NAMESPACE}
        made = await self._client.create(CONFIG_MAP, {"metadata": metadata, "data": {"number": "0"}})
        return made["metadata"]["resourceVersion"]

    async def change(self) -> None:
        """Count on."""
        async with self._turn:
            await self._client.patch(CONFIG_MAP, COUNTER, NAMESPACE, {"data": {"number": str(self._number + 1)}})
            self._number += 1
        self._load.requests += 1

    async def finish(self) -> None:
        """Count on for the last time, by which watches learn that all is over."""
        self._last = self._number + 1
        await self.change()

    async def read(self) -> None:
        """Read it over a connection that is kept."""
        await self._client.get(CONFIG_MAP, COUNTER, NAMESPACE)
        self._load.requests += 1

    async def watch(self, version: str) -> None:
        """Watch each change, one after the other, until the last one once all is over."""
        seen = 0
        async for kind, obj in self._client.watch(
            CONFIG_MAP,
            resource_version=version,
            namespace=NAMESPACE,
            field_selector=f"metadata.name={COUNTER}",
            timeout_seconds=3600,
        ):
            if kind == "BOOKMARK":
                continue
            seen += 1
            self._load.told += 1
            if obj["data"]["number"] != str(seen):
                raise AssertionError(f"{obj['data']['number']} came after {seen - 1}")
            if seen == self._last:
                return
        raise AssertionError(f"the watch ended after {seen} changes")


class Newcomer:
    """A client that connects for a single request, as each kubectl does."""

    def __init__(self, load: Load, server: str, context: ssl.SSLContext) -> None:
        self._load = load
        self._server = server
        self._context = context

    async def read(self) -> None:
        """Connect, read the counter and hang up."""
        await self._get(f"/api/v1/namespaces/{NAMESPACE}/configmaps/{COUNTER}")

    async def probe(self) -> None:
        """Ask whether the server is ready."""
        await self._get("/readyz")

    async def _get(self, path: str) -> None:
        connector = aiohttp.TCPConnector(ssl=self._context, force_close=True)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"{self._server}{path}") as response,
        ):
            if response.status != 200:
                raise AssertionError(f"{response.status}: {await response.text()}")
        self._load.requests += 1


class Console:
    """The serial console of a guest that sends back what it is sent."""

    def __init__(self, load: Load, stream: aiohttp.ClientWebSocketResponse) -> None:
        self._load = load
        self._stream = stream
        self._number = 0

    async def echo(self) -> None:
        """Send a line, and wait until it is back, with nothing before it."""
        self._number += 1
        line, heard = b"line %d\n" % self._number, b""
        await self._stream.send_bytes(line)
        while len(heard) < len(line):
            message = await self._stream.receive()
            if message.type is not aiohttp.WSMsgType.BINARY:
                raise AssertionError(f"the stream is over: {message}")
            heard += message.data
        if heard != line:
            raise AssertionError(f"{heard!r} came back for {line!r}")
        self._load.echoes += 1


@asynccontextmanager
async def under_load(installation: Installation, guests: Sequence[str]) -> AsyncGenerator[Load]:
    """Use the installation all the time; what goes wrong meanwhile is among the load's failures."""
    load, pki, url = Load(), installation.pki, installation.url
    context = FollowingContext.of(pki.authority, pki.pair(ADMIN.file), None)
    async with AsyncExitStack() as stack:
        stack.enter_context(_without_pauses())
        client = await stack.enter_async_context(installation.client("load"))
        counter, newcomer = Counter(load, client), Newcomer(load, url, context)
        consoles = [await stack.enter_async_context(_console(load, url, context, guest)) for guest in guests]
        version = await counter.create()
        watching = [asyncio.create_task(counter.watch(version)) for _ in range(WATCHES)]
        working = [asyncio.create_task(load.repeat(*each)) for each in _work(counter, newcomer, consoles)]
        try:
            yield load
            load.over.set()
            await asyncio.gather(*working)
            for guest in guests:  # new streams must begin, too; each takes the place of the one that was open
                async with _console(load, url, context, guest) as anew:
                    await anew.echo()
            await counter.finish()
            done, late = await asyncio.wait(watching, timeout=ANSWER_SECONDS)
            load.failures += [f"a watch: {error}" for each in done if (error := each.exception()) is not None]
            load.failures += ["a watch was not told of the last change"] * len(late)
        finally:
            for each in (*working, *watching):
                each.cancel()
            await asyncio.gather(*working, *watching, return_exceptions=True)


@contextmanager
def _without_pauses() -> Generator[None]:
    """Keep the garbage collector from going through all that other tests have left, which takes seconds."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _work(counter: Counter, newcomer: Newcomer, consoles: Sequence[Console]) -> Iterator[Work]:
    for what, do, times in (
        ("reading", counter.read, READERS),
        ("connecting", newcomer.read, NEWCOMERS),
        ("changing", counter.change, COUNTERS),
        ("probing", newcomer.probe, PROBES),
    ):
        yield from [(what, do)] * times
    for each in consoles:
        yield "a console", each.echo


@asynccontextmanager
async def _console(load: Load, server: str, context: ssl.SSLContext, guest: str) -> AsyncGenerator[Console]:
    path = f"apis/subresources.kubevirt.io/v1/namespaces/{NAMESPACE}/virtualmachineinstances/{guest}/console"
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
        session.ws_connect(f"{server}/{path}", protocols=("plain.kubevirt.io",)) as stream,
    ):
        yield Console(load, stream)
