"""What is no request, or not one that anybody would send by mistake, is answered with a Status."""

import asyncio
import ssl

import orjson
import pytest

from apiserver.http.connection import MAX_FIELD_BYTES, MAX_LINE_BYTES
from tests.conformance.api import SECONDS, Object
from tests.server import Server


async def exchange(server: Server, sent: bytes) -> tuple[int, Object]:
    """Send bytes and return the code and the body of what comes back; the server then ends the connection."""
    context = ssl.create_default_context(cafile=str(server.pki.authority))
    context.load_cert_chain(server.pki.pair("admin"))
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
        writer.write(sent)
        answer = await reader.read()
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/json" in head
    return int(head.split()[1]), orjson.loads(body)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"GET /api HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n", 400),
        (b"G\x00T /api HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /api HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n", 400),
        (b"GET /api?a=%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * MAX_LINE_BYTES), 414),
        (b"GET /api HTTP/1.1\r\nHost: x\r\nA: %b\r\n\r\n" % (b"x" * (MAX_FIELD_BYTES + 1)), 431),
    ],
    ids=["no header", "no method", "no length", "long line", "long header"],
)
async def test_what_cannot_be_read_is_answered_with_a_status(server: Server, sent: bytes, code: int) -> None:
    told, status = await exchange(server, sent)
    assert (told, status["kind"], status["code"], status["status"]) == (code, "Status", code, "Failure")
    assert "xxx" not in status["message"]


async def test_a_long_selector_is_read(server: Server) -> None:
    names = ",".join(f"name-{number}" for number in range(10_000))
    query = f"labelSelector=name%20in%20({names})".encode()
    sent = b"GET /api/v1/configmaps?%b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % query
    code, listed = await exchange(server, sent)
    assert (code, listed["kind"]) == (200, "ConfigMapList")
