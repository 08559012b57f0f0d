"""What a watch is written to: a chunked answer, or a WebSocket where the client asked to upgrade.

Source: ``k8s.io/apiserver/pkg/endpoints/handlers.WatchServer``.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from aiohttp import WSMsgType, hdrs, web

_GONE = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)
PING_SECONDS = 30.0
"""How often a WebSocket's client must show that it is still there."""


class Sink(Protocol):
    """Takes the lines of a watch. All may raise ConnectionError when the client is gone."""

    @property
    def response(self) -> web.StreamResponse:
        """What the handler returns."""
        ...

    @property
    def closed(self) -> bool:
        """True when the client is known to be gone."""
        ...

    def on_close(self, gone: Callable[[], None]) -> None:
        """Call ``gone`` when the client goes, where that shows before something is written."""
        ...

    @property
    def has_room(self) -> bool:
        """True when ``put`` may be called, until others have their turn on the event loop."""
        ...

    def put(self, chunk: bytes) -> None:
        """Write, at once, what ``chunk`` has made of lines."""
        ...

    async def send(self, lines: Sequence[bytes]) -> None:
        """Write lines; return when there is room for more."""
        ...

    async def end(self) -> None:
        """Say that nothing follows."""
        ...

    def abort(self) -> None:
        """Drop the connection with whatever is not yet sent."""
        ...


def chunk(lines: Sequence[bytes]) -> bytes:
    """Return lines as a chunk of an answer (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (sum(map(len, lines)), b"".join(lines))


async def open_sink(request: web.BaseRequest, headers: Mapping[str, str]) -> Sink:
    """Begin the answer."""
    if web.WebSocketResponse().can_prepare(request):
        socket = web.WebSocketResponse(heartbeat=PING_SECONDS)
        await socket.prepare(request)
        return _WebSocket(request, socket)
    response = web.StreamResponse(headers=dict(headers))
    await response.prepare(request)
    return _Chunks(request, response)


class _Chunks:
    """Lines in the body of an answer."""

    def __init__(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        if request.transport is None:
            raise ConnectionResetError("the client is gone")
        self._transport = request.transport
        self._protocol = request.protocol
        self.response = response
        self._chunked = response.headers.get(hdrs.TRANSFER_ENCODING) == "chunked"  # not for a client of HTTP/1.0

    @property
    def closed(self) -> bool:
        """See Sink."""
        return self._transport.is_closing()

    @property
    def has_room(self) -> bool:
        """See Sink."""
        return self._chunked and not self._protocol.writing_paused and not self._transport.is_closing()

    def put(self, chunk: bytes) -> None:
        """See Sink."""
        # Past the writer of the answer, which frames and copies for each client anew.
        self._transport.write(chunk)

    def on_close(self, gone: Callable[[], None]) -> None:
        """See Sink: nobody tells."""

    async def send(self, lines: Sequence[bytes]) -> None:
        """See Sink."""
        await self.response.write(b"".join(lines))

    async def end(self) -> None:
        """See Sink."""
        await self.response.write_eof()

    def abort(self) -> None:
        """See Sink."""
        self._transport.abort()


class _WebSocket:
    """Each line a text message. What the client sends is ignored, but for its going away."""

    def __init__(self, request: web.BaseRequest, socket: web.WebSocketResponse) -> None:
        self._request = request
        self.response = socket
        self._reader = asyncio.create_task(self._read(), name="watch socket")

    @property
    def closed(self) -> bool:
        """See Sink."""
        return self._reader.done()

    @property
    def has_room(self) -> bool:
        """See Sink: each message must be awaited."""
        return False

    def put(self, chunk: bytes) -> None:
        """See Sink: there is never room."""

    def on_close(self, gone: Callable[[], None]) -> None:
        """See Sink."""
        self._reader.add_done_callback(lambda _: gone())

    async def send(self, lines: Sequence[bytes]) -> None:
        """See Sink."""
        for line in lines:
            await self.response.send_str(line.decode())

    async def end(self) -> None:
        """See Sink."""
        self._reader.cancel()
        await self.response.close()

    def abort(self) -> None:
        """See Sink."""
        self._reader.cancel()
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _read(self) -> None:
        received = WSMsgType.TEXT
        while received not in _GONE:
            received = (await self.response.receive()).type
