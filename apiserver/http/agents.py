"""Node agents, as the API server calls them: over mutual TLS, with a connection for each stream."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import aiohttp
import structlog
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientWebSocketResponse
from yarl import URL

from apiserver.machinery import errors
from apiserver.machinery.action import Endpoint
from apiserver.machinery.errors import StatusError
from client.tls import FollowingContext
from kube.streams import PROTOCOL

CONNECT_SECONDS = 10.0
PING_SECONDS = 30.0
"""How often an agent must show that it is still there."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agents:
    """All agents, and the files by which they and the server know each other. They may come later."""

    authority: Path
    """Who signs the certificates of agents."""
    certificate: Path
    """The server's own for them, and in the same file its key."""

    @asynccontextmanager
    async def stream(self, endpoint: Endpoint) -> AsyncGenerator[ClientWebSocketResponse]:
        """Open a WebSocket to ``endpoint``, and close it at the end. Raises 409 and 503."""
        url = URL.build(
            scheme="https",
            host=endpoint.address,
            port=endpoint.port,
            path=endpoint.path,
            query=dict(endpoint.query),
        )
        # What takes long is the stream; to get it may not.
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(timeout=timeout, middlewares=[_only_upgraded]) as session:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    tls = await asyncio.to_thread(FollowingContext.of, self.authority, self.certificate, None)
                    stream = await session.ws_connect(
                        url, ssl=tls, server_hostname=endpoint.node, protocols=(PROTOCOL,), heartbeat=PING_SECONDS
                    )
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                log.warning("cannot reach an agent", node=endpoint.node, url=str(url), error=str(error))
                raise _refusal(endpoint.node, error) from error
            async with stream:
                yield stream


async def _only_upgraded(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    """Take nothing but a stream: an agent that answers with a redirection leads the server nowhere.

    Raises aiohttp.WSServerHandshakeError.
    """
    response = await send(request)
    if response.status == HTTPStatus.SWITCHING_PROTOCOLS:
        return response
    response.close()
    raise aiohttp.WSServerHandshakeError(
        response.request_info, (), status=response.status, message="it answers otherwise", headers=response.headers
    )


def _refusal(node: str, error: Exception) -> StatusError:
    match error:
        case aiohttp.WSServerHandshakeError(status=404):
            return errors.unavailable(f"node {node!r} has no such device of a guest of this instance")
        case aiohttp.WSServerHandshakeError(status=409):
            return StatusError(409, "Conflict", "somebody else is connected, and was to be left alone")
        case aiohttp.WSServerHandshakeError(status=status):
            return errors.unavailable(f"the agent of node {node!r} cannot connect to the guest: it answers {status}")
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return errors.unavailable(f"the agent of node {node!r} and this server do not trust each other")
        case _:
            return errors.unavailable(f"the agent of node {node!r} cannot be reached")
