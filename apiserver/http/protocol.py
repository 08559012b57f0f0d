"""Requests that are none: what cannot be read as HTTP is answered with a Status, too.

kube-apiserver leaves these answers to Go's HTTP server, in plain text, with the same codes but for 414.
"""

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from apiserver.http import answers
from apiserver.machinery.errors import StatusError

MAX_LINE_BYTES = 128 * 1024
"""How long a request line may be: selectors are long. Go allows 1 MiB for it and all headers together."""
MAX_FIELD_BYTES = 64 * 1024
"""How long one header may be."""

log = structlog.get_logger()


class Protocol(web.RequestHandler):
    """One connection."""

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


def _told(exc: HttpProcessingError) -> StatusError:
    """Return the Status; it repeats nothing of what was sent, which may be a credential."""
    if not isinstance(exc, LineTooLong):
        return StatusError(400, "BadRequest", "the request cannot be read as HTTP/1.1")
    if exc.args[1] == MAX_LINE_BYTES:
        return StatusError(414, "BadRequest", f"the request line is longer than {MAX_LINE_BYTES} bytes")
    return StatusError(431, "BadRequest", f"a header is longer than {MAX_FIELD_BYTES} bytes")
