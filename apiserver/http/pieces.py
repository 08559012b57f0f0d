"""Long answers, sent in pieces: a list can be 20 MB, and several may be asked for at once."""

import asyncio
from collections.abc import Sequence

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from apiserver.http.negotiation import JSON

LONG_BYTES = 1024 * 1024
"""Shorter answers are sent in one."""
PIECE_BYTES = 256 * 1024
"""About how long a piece is: encrypting and sending it takes the event loop less than a millisecond."""


class Pieces(Payload):
    """Parts of a JSON document, with commas between them.

    They are joined while they are sent, as many at a time as the client reads: so each answer takes a piece of memory
    besides what all lists share, not twice its length.
    """

    def __init__(self, parts: Sequence[bytes]) -> None:
        super().__init__(parts, content_type=JSON)
        self._parts = parts
        self.length = self._size = sum(map(len, parts)) + len(parts) - 1

    def whole(self) -> bytes:
        """Return it in one."""
        return b",".join(self._parts)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """See Payload. Raises ConnectionError."""
        step = 1 + len(self._parts) * PIECE_BYTES // self.length
        for first in range(0, len(self._parts), step):
            piece = self._parts[first : first + step]
            await writer.write(b",".join([b"", *piece] if first else piece))
            await asyncio.sleep(0)  # others have a turn, and a client that has gone is noticed

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """See Payload."""
        return self.whole().decode(encoding, errors)


def joined(parts: Sequence[bytes]) -> bytes | Pieces:
    """Return the body of an answer, in pieces if it is long."""
    pieces = Pieces(parts)
    return pieces if pieces.length > LONG_BYTES else pieces.whole()


def whole(body: bytes | Pieces) -> bytes:
    """Return the body of an answer in one."""
    return body.whole() if isinstance(body, Pieces) else body
