"""Connections to PostgreSQL: only ever to a host that takes writes, whichever of several that is now."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg
from asyncpg.exceptions import TargetServerAttributeNotMatched
from sqlalchemy import URL

from apiserver.storage.urls import each_host

CONNECT_SECONDS = 5
STALLED_SECONDS = 3
"""How long a server may stand still in a transaction, perhaps holding the lock that all others wait for.

Less than a commit may take, so that a server that was stopped or cut off fails nobody's writes but its own.
"""
_GONE_HOST = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 3),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 6000),
)
"""What ends a connection within some six seconds of its host's losing power, which tells nobody."""
_WRITABLE = "read-write"

Connection = Any
"""asyncpg's, which has no types."""
Recognize = Callable[[Connection], Awaitable[None]]
"""Looks at a new connection before it is used. Raises what asyncpg does."""


async def connect(url: URL, command_seconds: float | None = None, recognize: Recognize | None = None) -> Connection:
    """Return a connection to the host of ``url`` that takes writes, with ``command_seconds`` for each command.

    All hosts are asked at once, so that one that does not answer holds up nobody. Raises OSError, which a timeout is
    too, and asyncpg's PostgresError and InterfaceError.
    """
    connection = await _first([_connect(each, command_seconds) for each in each_host(url)])
    try:
        if recognize is not None:
            await recognize(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _first(attempts: Sequence[Awaitable[Connection]]) -> Connection:
    """Return the first connection that comes about, and end the others. Raises what one alone raises."""
    if len(attempts) == 1:
        return await attempts[0]
    connecting = [asyncio.ensure_future(each) for each in attempts]
    chosen, failures = None, list[str]()
    try:
        for each in asyncio.as_completed(connecting):
            try:
                chosen = await each
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                failures.append(str(error) or type(error).__name__)
            else:
                return chosen
    finally:
        for each in connecting:
            each.cancel()
        for late in await asyncio.gather(*connecting, return_exceptions=True):
            if late is not chosen and not isinstance(late, BaseException):
                late.terminate()
    raise ConnectionError(f"no host of the database takes writes: {'; '.join(failures)}")


async def _connect(url: URL, command_seconds: float | None) -> Connection:
    # The URL as it is: SQLAlchemy would hand sslmode and its like on as arguments that do not exist.
    dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        connection = await asyncpg.connect(
            dsn,
            timeout=CONNECT_SECONDS,
            command_timeout=command_seconds,
            target_session_attrs=_WRITABLE,
            server_settings={"idle_in_transaction_session_timeout": f"{STALLED_SECONDS}s"},
        )
    except TargetServerAttributeNotMatched as standby:
        raise ConnectionError("it is a standby, or read-only") from standby
    _notice_gone_host(connection)
    return connection


def _notice_gone_host(connection: Connection) -> None:
    connected = connection._transport.get_extra_info("socket")  # noqa: SLF001 - asyncpg has no other way to it
    if connected.family in (socket.AF_INET, socket.AF_INET6):
        for level, option, value in _GONE_HOST:
            connected.setsockopt(level, option, value)
