"""Who is connected to which device of a guest: one at a time, and whoever comes later takes over.

Source: KubeVirt's ``pkg/virt-handler/rest/console.go``.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import WSCloseCode

Device = tuple[str, str]
"""The uid of an instance, and what the device is called: ``console`` or ``vnc``."""


@dataclass(frozen=True, slots=True)
class Farewell:
    """What a client is told at the end (RFC 6455, section 7.4)."""

    code: int
    reason: str


ENDED = Farewell(WSCloseCode.OK, "")
STOPPING = Farewell(WSCloseCode.GOING_AWAY, "the node agent is stopping; the guest goes on")
TAKEN_OVER = Farewell(WSCloseCode.POLICY_VIOLATION, "somebody else has connected")


class InUseError(Exception):
    """Somebody is connected who is not to be disturbed."""


class Session:
    """One connection to a device."""

    def __init__(self) -> None:
        self.farewell = ENDED
        """Why it is over, where the device is not what ended it."""
        self.over = asyncio.Event()
        """Set when it is to end."""
        self.gone = asyncio.Event()
        """Set when the device is free again."""

    def end(self, farewell: Farewell) -> None:
        """Ask for its end."""
        if not self.over.is_set():
            self.farewell = farewell
            self.over.set()


class Sessions:
    """All connections to devices of this node's guests."""

    def __init__(self) -> None:
        self._open: dict[Device, Session] = {}
        self._stopping = False

    @asynccontextmanager
    async def take(self, device: Device, *, preserve: bool) -> AsyncGenerator[Session]:
        """Hold ``device``, taken from whoever holds it. Raises InUseError when ``preserve`` says to leave them."""
        while (before := self._open.get(device)) is not None:
            if preserve:
                raise InUseError
            before.end(TAKEN_OVER)
            await before.gone.wait()
        session = self._open[device] = Session()
        if self._stopping:
            session.end(STOPPING)
        try:
            yield session
        finally:
            del self._open[device]
            session.gone.set()

    def stop(self) -> None:
        """End all, and every later one at once."""
        self._stopping = True
        for session in self._open.values():
            session.end(STOPPING)
