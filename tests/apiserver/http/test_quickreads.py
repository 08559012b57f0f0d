"""Reads that are answered while they are received, on connections whose every byte these tests choose."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from apiserver.http import connection
from apiserver.http.quickreads import QuickRead, QuickReads
from apiserver.storage.cache import WatchCache
from apiserver.storage.contract import UnavailableError
from tests.apiserver.http.conftest import Running
from tests.apiserver.http.gadgets import ALPHA_GADGETS, GADGETS, Client, gadget

SECONDS = 20
HEADERS = "Host: localhost\r\nAccept: application/json\r\n"


@dataclass
class Raw:
    """A connection, and how many quick reads the server has answered since it was opened."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    quick: int = 0

    async def get(self, path: str, headers: str = HEADERS) -> tuple[int, str, bytes]:
        self.send(f"GET {path} HTTP/1.1\r\n{headers}\r\n")
        return await self.answer()

    def send(self, text: str) -> None:
        self.writer.write(text.encode())

    async def answer(self) -> tuple[int, str, bytes]:
        """Return the code, the head and the body of the next answer."""
        async with asyncio.timeout(SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"(?im)^content-length: (\d+)", head)
            body = await self.reader.readexactly(int(length[1]) if length else 0)
            return int(head.split()[1]), head, body


Connect = Callable[[str], Awaitable[Raw]]
"""Opens a connection with the certificate of somebody."""


@pytest.fixture
async def connect(server: Running, identities: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connect]:
    original = QuickReads.answer
    async with AsyncExitStack() as stack:

        async def open_one(name: str) -> Raw:
            context = ssl.create_default_context(cafile=str(identities / "ca.crt"))
            context.load_cert_chain(identities / f"{name}.crt", identities / f"{name}.key")
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", server.port, ssl=context, server_hostname="localhost"
            )
            stack.callback(writer.close)
            raw = Raw(reader, writer)

            def answer(self: QuickReads, read: QuickRead, revision: int) -> bytes | None:
                answered = original(self, read, revision)
                if answered is not None:
                    raw.quick += 1
                return answered

            monkeypatch.setattr(QuickReads, "answer", answer)
            return raw

        yield open_one


@pytest.fixture
async def raw(client: Client, connect: Connect) -> Raw:
    """A connection of an administrator, to a server with a gadget; its first get was not quick."""
    await client.call("POST", GADGETS, gadget())
    opened = await connect("admin")
    assert (await opened.get(f"{GADGETS}/one"))[0] == 200
    assert opened.quick == 0
    return opened


def parted(head: str) -> dict[str, str]:
    """Return the headers by their names."""
    return dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)


async def test_a_quick_answer_is_the_same_as_any_other(client: Client, raw: Raw) -> None:
    _, usual_head, usual = await raw.get(f"{GADGETS}/one", f"{HEADERS}X-Other: 1\r\n")
    code, head, body = await raw.get(f"{GADGETS}/one", f"{HEADERS}X-Other: 1\r\n")
    assert (code, body, raw.quick) == (200, usual, 1)
    assert orjson.loads(body) == (await client.call("GET", f"{GADGETS}/one"))[1]
    expected, found = parted(usual_head), parted(head)
    assert expected.keys() == found.keys()
    assert expected["Audit-ID"] != found["Audit-ID"]
    for changing in ("Audit-ID", "Date"):
        del expected[changing], found[changing]
    assert expected == found


async def test_it_is_the_newest_object(client: Client, raw: Raw) -> None:
    for size in (2, 3):
        change = {"spec": {"size": size}}
        await client.call("PATCH", f"{GADGETS}/one", change, Content_Type="application/merge-patch+json")
        assert orjson.loads((await raw.get(f"{GADGETS}/one"))[2])["spec"]["size"] == size
    await client.call("DELETE", f"{GADGETS}/one")
    assert (await raw.get(f"{GADGETS}/one"))[0] == 404
    assert raw.quick == 2


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"{GADGETS}/none", 404),
        (f"{GADGETS}/one/status", 200),
        (f"{GADGETS}/one/evil", 404),
        (f"{GADGETS}/../gadgets/one", 404),
        (f"{GADGETS}/%6Fne", 200),
        (f"{GADGETS}/one?resourceVersion=x", 400),
        (f"{GADGETS}/one?pretty=true", 200),
        (f"{ALPHA_GADGETS}/one", 200),
        (GADGETS, 200),
        ("/api/v1/namespaces/default", 200),
        ("/apis/gadgets.test/v1/gadgets/one", 404),
        ("/healthz", 200),
    ],
)
async def test_what_asks_for_more_goes_its_usual_way(raw: Raw, path: str, code: int) -> None:
    found, head, body = await raw.get(path)
    assert found == code
    assert raw.quick == (path == "/api/v1/namespaces/default")
    other, other_head, other_body = await raw.get(path, f"{HEADERS}X-Other: 1\r\n")
    assert (found, parted(head).keys(), body) == (other, parted(other_head).keys(), other_body)


@pytest.mark.parametrize(
    "headers",
    [
        "Accept: application/yaml\r\n",
        "Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1\r\n",
        "User-Agent: curl/8.0\r\n",
        "Impersonate-User: eve\r\n",
        "Content-Length: 0\r\n",
        "Connection: close\r\n",
    ],
)
async def test_headers_that_change_the_answer_are_never_quick(raw: Raw, headers: str) -> None:
    head = f"Host: localhost\r\n{headers}"
    first = await raw.get(f"{GADGETS}/one", head)
    if "close" not in headers:
        assert (await raw.get(f"{GADGETS}/one", head))[::2] == first[::2]
    assert not raw.quick


async def test_who_may_not_read_is_refused_each_time(client: Client, connect: Connect) -> None:
    await client.call("POST", GADGETS, gadget())
    eve = await connect("eve")
    assert [(await eve.get(f"{GADGETS}/one"))[0] for _ in range(3)] == [403] * 3
    assert eve.quick == 0


async def test_requests_in_pieces_and_in_a_row_are_answered_in_order(raw: Raw, client: Client) -> None:
    await client.call("POST", GADGETS, gadget("two"))
    line = "GET {}/{} HTTP/1.1\r\n" + HEADERS + "\r\n"
    one, two = line.format(GADGETS, "one"), line.format(GADGETS, "two")

    async def names(count: int) -> list[str]:
        return [orjson.loads((await raw.answer())[2])["metadata"]["name"] for _ in range(count)]

    raw.send(one + two + one)
    assert await names(3) == ["one", "two", "one"]
    raw.send(two[:30])
    await raw.writer.drain()
    await client.call("GET", GADGETS)  # the server has seen the first piece by now
    raw.send(two[30:] + one[:-2])
    assert await names(1) == ["two"]
    raw.send(one[-2:])
    assert await names(1) == ["one"]


async def test_a_body_that_looks_like_a_request_is_none(raw: Raw, client: Client) -> None:
    hidden = f"GET {GADGETS}/one HTTP/1.1\r\n{HEADERS}\r\n"
    body = f'{{"apiVersion": "gadgets.test/v1", "kind": "Gadget", "x": "{" " * 40}"}}'
    head = f"POST {GADGETS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body) + len(hidden)}\r\n\r\n"
    raw.send(head)
    await raw.writer.drain()
    await client.call("GET", GADGETS)
    raw.send(body)
    await raw.writer.drain()
    await client.call("GET", GADGETS)
    raw.send(hidden)
    assert (await raw.answer())[0] == 400
    assert not raw.quick
    assert orjson.loads((await raw.get(f"{GADGETS}/one"))[2])["metadata"]["name"] == "one"
    assert raw.quick


async def test_chunks_end_quick_reads_on_their_connection(raw: Raw) -> None:
    chunk = orjson.dumps(gadget("two")).decode()
    raw.send(f"POST {GADGETS} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
    raw.send(f"{len(chunk):x}\r\n{chunk}\r\n0\r\n\r\n")
    assert (await raw.answer())[0] == 201
    assert (await raw.get(f"{GADGETS}/two"))[0] == 200
    assert not raw.quick


@pytest.fixture
def question(monkeypatch: pytest.MonkeyPatch) -> asyncio.Future[int]:
    """What a shared database is asked before a quick read is answered; it is for the test to answer."""
    asked: asyncio.Future[int] = asyncio.get_event_loop().create_future()
    monkeypatch.setattr(WatchCache, "newest", lambda _: asked)
    return asked


async def test_an_answer_waits_for_the_database_and_what_comes_next_for_the_answer(
    raw: Raw, client: Client, question: asyncio.Future[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", SECONDS)
    line = f"GET {GADGETS}/one HTTP/1.1\r\n{HEADERS}\r\n"
    listed = f"GET {GADGETS} HTTP/1.1\r\n{HEADERS}\r\n"
    raw.send(line)
    await raw.writer.drain()
    await client.call("GET", GADGETS)  # the server has seen the first by now
    raw.send(listed + line)
    await raw.writer.drain()
    await client.call("GET", GADGETS)
    assert raw.quick == 0
    question.set_result(0)
    kinds = [orjson.loads((await raw.answer())[2])["kind"] for _ in range(3)]
    assert (kinds, raw.quick) == (["Gadget", "GadgetList", "Gadget"], 1)


async def test_memory_that_is_behind_is_not_told(raw: Raw, question: asyncio.Future[int]) -> None:
    question.set_result(1_000_000)
    assert (await raw.get(f"{GADGETS}/one"))[0] == 200
    assert raw.quick == 0


async def test_a_database_that_fails_or_is_slow_is_asked_the_usual_way(raw: Raw, question: asyncio.Future[int]) -> None:
    assert (await raw.get(f"{GADGETS}/one"))[0] == 200  # whose patience has ended
    question.set_exception(UnavailableError("gone"))
    assert (await raw.get(f"{GADGETS}/one"))[0] == 200
    assert raw.quick == 0


async def test_who_leaves_while_a_read_waits_is_forgotten(
    raw: Raw, client: Client, question: asyncio.Future[int]
) -> None:
    raw.send(f"GET {GADGETS}/one HTTP/1.1\r\n{HEADERS}\r\n")
    await raw.writer.drain()
    await client.call("GET", GADGETS)
    raw.writer.transport.abort()
    question.set_result(0)
    assert (await client.call("GET", f"{GADGETS}/one"))[0] == 200
