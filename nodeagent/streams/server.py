"""The agent's own server, over mutual TLS: for the API server and nobody else."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from certs.contexts import ServingContext
from certs.purposes import AGENT_CLIENT
from kube.streams import PRESERVE, PROTOCOL, UID, path
from nodeagent.domain.identity import domain_name
from nodeagent.domain.live import read_domain
from nodeagent.hypervisor.errors import HypervisorError, HypervisorUnavailableError
from nodeagent.hypervisor.gateway import Hypervisor
from nodeagent.streams.relay import CHUNK_BYTES, relay
from nodeagent.streams.sessions import InUseError, Sessions

PATH = path("{namespace}", "{name}", "{device:console|vnc}")
PING_SECONDS = 30.0
"""How often the API server must show that it is still there."""
CLOSE_SECONDS = 5.0
SHUTDOWN_SECONDS = 10.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to serve: certificates are files, which are read anew when they change."""

    port: int
    """Any that is free, when 0."""
    certificate: Path
    """The certificate to serve with, and in the same file its key."""
    client_ca: Path
    """Who signs the certificates of API servers."""


@asynccontextmanager
async def serving(address: str, options: Options, hypervisor: Hypervisor) -> AsyncGenerator[int]:
    """Serve the streams of ``hypervisor``'s guests at ``address`` for as long as the context lasts; yield the port.

    Raises OSError and ssl.SSLError when the port is taken or a file cannot be used.
    """
    streams = Streams(hypervisor)
    app = web.Application(middlewares=[_only_the_api_server])
    app.router.add_get(PATH, streams.serve)
    app.on_shutdown.append(streams.stop)
    tls = ServingContext.of(options.certificate, options.client_ca, clients=ssl.CERT_REQUIRED)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, address, options.port, ssl_context=tls)
        await site.start()
        port: int = runner.addresses[0][1]
        log.info("serving streams", address=address, port=port)
        yield port
    finally:
        await runner.cleanup()


@web.middleware
async def _only_the_api_server(request: web.Request, handler: Handler) -> web.StreamResponse:
    name = _peer_name(request)
    if name != AGENT_CLIENT.user:
        log.warning("somebody else than the API server is refused", name=name, path=request.path)
        raise web.HTTPForbidden(text=f"only {AGENT_CLIENT.user} is served")
    return await handler(request)


def _peer_name(request: web.Request) -> str:
    """Return the common name of the verified certificate that a request came with."""
    connection: ssl.SSLObject | None = request.transport.get_extra_info("ssl_object") if request.transport else None
    certificate: dict[str, Any] = (connection.getpeercert() if connection else None) or {}
    pairs = (pair for relative in certificate.get("subject", ()) for pair in relative)
    return next((value for key, value in pairs if key == "commonName"), "")


class Streams:
    """Connects clients with the devices of guests."""

    def __init__(self, hypervisor: Hypervisor) -> None:
        self._hypervisor = hypervisor
        self._sessions = Sessions()

    async def stop(self, _app: web.Application) -> None:
        """End all sessions; guests do not notice."""
        self._sessions.stop()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for a device: by a WebSocket, or by why there is none."""
        client = web.WebSocketResponse(protocols=(PROTOCOL,), heartbeat=PING_SECONDS, compress=False)
        if not client.can_prepare(request):
            raise web.HTTPBadRequest(text="this is not a WebSocket request")
        socket = await self._socket(request)
        device = request.query[UID], request.match_info["device"]
        preserve = request.query.get(PRESERVE) == "true"
        try:
            async with self._sessions.take(device, preserve=preserve) as session, _connected(socket) as connection:
                await client.prepare(request)
                await relay(client, *connection, session.over)
        except InUseError as error:
            raise web.HTTPConflict(text="somebody else is connected") from error
        # Whoever takes over does not wait for this.
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await client.close(code=session.farewell.code, message=session.farewell.reason.encode())
        return client

    async def _socket(self, request: web.Request) -> str:
        """Return the path of a device's socket. Raises 404 and 503."""
        try:
            domain = await self._hypervisor.find(
                domain_name(request.match_info["namespace"], request.match_info["name"])
            )
            if domain is None or domain.identity is None or domain.identity.uid != request.query.get(UID):
                raise web.HTTPNotFound(text="no guest of this instance runs here")
            live = read_domain(await self._hypervisor.live_xml(domain.name))
        except HypervisorUnavailableError as error:
            raise web.HTTPServiceUnavailable(text=str(error)) from error
        except HypervisorError as error:
            raise web.HTTPNotFound(text=str(error)) from error
        socket = live.console if request.match_info["device"] == "console" else live.screen
        if not socket:
            raise web.HTTPNotFound(text="the guest has no such device with a socket")
        return socket


@asynccontextmanager
async def _connected(socket: str) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to a device, and drop the connection at the end with whatever the guest has not read. Raises 503."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket, limit=CHUNK_BYTES)
    except OSError as error:
        log.warning("cannot connect to a guest", socket=socket, error=str(error))
        raise web.HTTPServiceUnavailable(text=f"the guest does not answer: {error.strerror}") from error
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
