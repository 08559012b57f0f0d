"""One connection: aiohttp's, but for what can be answered without it, and for what cannot be read as HTTP.

The latter is answered with a Status, too. kube-apiserver leaves these answers to Go's HTTP server, in plain text, with
the same codes but for 414.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.http_parser import RawRequestMessage

from apiserver.http import answers
from apiserver.http.quickreads import QuickRead, QuickReads
from apiserver.machinery.errors import StatusError
from apiserver.storage.contract import Revision

P = ParamSpec("P")
T = TypeVar("T")

MAX_LINE_BYTES = 128 * 1024
"""How long a request line may be: selectors are long. Go allows 1 MiB for it and all headers together."""
MAX_FIELD_BYTES = 64 * 1024
"""How long one header may be."""
MAX_HEAD_BYTES = 8 * 1024
"""Longer headers are not remembered."""
PATIENCE_SECONDS = 0.25
"""How long a quick read waits for the database before it is one like any other, which is told when that takes long."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Head:
    """The headers of a request for nothing but an object, as they were sent, and as they are understood."""

    lines: bytes
    """All that follows the request line, to the empty line."""
    headers: Mapping[str, str]


class Connection(web.RequestHandler):
    """One connection.

    A client sends the same headers with each request, so one whose headers are those of the last get, byte for byte, is
    not parsed again, but tried as a quick read. aiohttp does not learn of it: it must be waiting for a request then.
    """

    def __init__(self, manager: web.Server, loop: asyncio.AbstractEventLoop, quick_reads: QuickReads) -> None:
        super().__init__(
            manager,
            loop=loop,
            access_log=None,  # pyright: ignore[reportArgumentType] - aiohttp's own runner does so for none
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_FIELD_BYTES,
        )
        self._quick_reads = quick_reads
        self._head: _Head | None = None
        self._waiting = False
        """Whether a quick read waits for the database."""
        self._held = b""
        """What came meanwhile."""
        self._missing: int | None = 0
        """How many bytes of the request under way are still to come; None when it is not known where it ends."""

    def data_received(self, data: bytes) -> None:
        """Answer a quick read at once, or once the database has said what is newest, and leave the rest to aiohttp."""
        if self._waiting:
            self._pause_for(data)
        elif (read := self._quick_read(data)) is None:
            self._pass_on(data)
        elif isinstance(newest := self._quick_reads.newest(), int):
            self._answer(read, newest, data)
        else:
            self._answer_later(read, newest, data)

    def _quick_read(self, data: bytes) -> QuickRead | None:
        head = self._head
        if head is None or not data.endswith(head.lines) or not self._waits():
            return None
        connection = self.transport.get_extra_info("ssl_object") if self.transport else None
        return _tried(self._quick_reads.read, data[: -len(head.lines)], head.headers, connection)

    def _answer(self, read: QuickRead, revision: Revision | None, data: bytes) -> None:
        """Answer what ``data`` asks for: not here, when it is not known what is newest."""
        answer = _tried(self._quick_reads.answer, read, revision) if revision is not None else None
        if answer is None or self.transport is None:
            self._pass_on(data)
            return
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        self.transport.write(answer)

    def _answer_later(self, read: QuickRead, newest: asyncio.Future[Revision], data: bytes) -> None:
        """Answer when ``newest`` is known. It is one question for all readers, so a task for each would do nothing."""
        self._waiting = True
        self._request_in_progress = True  # so that a shutdown waits for it

        def go_on(_: object = None) -> None:
            alarm.cancel()
            newest.remove_done_callback(go_on)
            self._waiting = self._request_in_progress = False
            known = newest.done() and not newest.cancelled() and newest.exception() is None
            self._answer(read, newest.result() if known else None, data)
            if self._handler_waiter is not None and not self._request_in_progress:
                self._handler_waiter.set_result(None)
            self._resume()

        newest.add_done_callback(go_on)
        alarm = self._loop.call_later(PATIENCE_SECONDS, go_on)

    def _pause_for(self, data: bytes) -> None:
        """Keep what comes while a quick read waits: little, as no more is read."""
        self._held += data
        if self.transport is not None:
            self.transport.pause_reading()

    def _resume(self) -> None:
        held, self._held = self._held, b""
        if not held:
            return
        if self.transport is not None:
            self.transport.resume_reading()
        self.data_received(held)

    def _waits(self) -> bool:
        """Return True when all requests so far have been answered, and the next begins with the next byte."""
        idle = self._waiter is not None and not self._waiter.done() and not self._messages
        return idle and self._missing == 0 and not (self._close or self._force_close or self._paused or self._upgraded)

    def _pass_on(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        begun = self._request_count - before
        if not data:  # aiohttp looks again at what it has
            return
        if self._missing == 0:
            self._missing = self._begun(data) if begun == 1 else None
        elif self._missing is not None:
            left = self._missing - len(data)
            self._missing = left if left >= 0 and not begun else None

    def _begun(self, data: bytes) -> int | None:
        """Return what is missing of a request that begins with ``data``, and remember its headers for quick reads."""
        message = self._messages[-1][0] if self._messages else None
        end = data.find(b"\r\n\r\n") + 4
        if not isinstance(message, RawRequestMessage) or message.chunked or message.upgrade or end < 4:
            return None
        missing = end + int(message.headers.get("Content-Length", 0)) - len(data)
        if message.method == "GET" and not missing and not message.should_close:
            self._remember(message, data[data.find(b"\r\n") :])
        return missing if missing >= 0 else None

    def _remember(self, message: RawRequestMessage, lines: bytes) -> None:
        known = self._head is not None and self._head.lines == lines
        if not known and len(lines) <= MAX_HEAD_BYTES and self._quick_reads.understands(message.headers):
            self._head = _Head(lines, message.headers)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what cannot be handled, and end the connection."""
        if isinstance(exc, HttpProcessingError):
            log.debug("not a request", why=type(exc).__name__)
            error = _told(exc)
        else:
            super().handle_error(request, status, exc, message)
            error = StatusError(500, "InternalError", "an internal error occurred; the server's log has the cause")
        response = answers.json(error.status(), status=error.code)
        response.force_close()
        return response


def _tried(step: Callable[P, T | None], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Return what a step of a quick read returns; one that fails is aiohttp's to answer, and ours to know."""
    try:
        return step(*args, **kwargs)
    except Exception:
        log.exception("a quick read failed")
        return None


def _told(exc: HttpProcessingError) -> StatusError:
    """Return the Status; it repeats nothing of what was sent, which may be a credential."""
    if not isinstance(exc, LineTooLong):
        return StatusError(400, "BadRequest", "the request cannot be read as HTTP/1.1")
    if exc.args[1] == MAX_LINE_BYTES:
        return StatusError(414, "BadRequest", f"the request line is longer than {MAX_LINE_BYTES} bytes")
    return StatusError(431, "BadRequest", f"a header is longer than {MAX_FIELD_BYTES} bytes")
