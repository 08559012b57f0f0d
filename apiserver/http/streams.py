"""Actions that become streams: a WebSocket of the client's, passed on to one of a node's agent.

Source: KubeVirt's ``pkg/virt-api/rest/streamer.go``, and its sub-protocol ``plain.kubevirt.io``. Nothing is kept but
what the buffers of both connections hold: who sends faster than the other reads has to wait.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass

from aiohttp import ClientWebSocketResponse, WSCloseCode, WSMsgType, web

from apiserver.auth.attributes import RequestInfo
from apiserver.auth.revocation import Revocations
from apiserver.http.api import Api
from apiserver.http.request import Request
from apiserver.machinery import errors
from apiserver.machinery.action import StreamAction
from apiserver.registry import acting
from client.running import first
from kube.streams import PROTOCOL

PING_SECONDS = 30.0
"""How often a client must show that it is still there."""
CLOSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Farewell:
    """What the other side is told at the end."""

    code: int
    reason: str = ""


_GONE = _Farewell(WSCloseCode.INTERNAL_ERROR, "the connection was lost")
_STOPPING = _Farewell(WSCloseCode.GOING_AWAY, "the server is stopping; please connect again")


async def serve(request: Request, api: Api, action: StreamAction, info: RequestInfo) -> web.StreamResponse:
    """Answer with a stream, until one side ends it or the server stops.

    What is wrong is told before the client's connection is upgraded. Raises StatusError.
    """
    endpoint = await acting.locate(action, api.store, info.namespace, info.name, request.caller, request.query)
    client = web.WebSocketResponse(protocols=(PROTOCOL,), heartbeat=PING_SECONDS, compress=False)
    if request.method != "GET" or not client.can_prepare(request):
        raise errors.bad_request(f"not a WebSocket request: {action.subresource} is a stream")
    revoked = asyncio.Event()
    if (agents := request.site.agents) is None:
        raise errors.no_such_path()
    async with agents.stream(endpoint) as agent:
        with _watching(api.revocations, endpoint.node, agent, revoked.set):
            await client.prepare(request)
            farewell = await first(
                _pass(client, agent),
                _pass(agent, client),
                _once(request.site.stopping, _STOPPING),
                _once(revoked, _GONE),
            )
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await client.close(code=farewell.code, message=farewell.reason.encode())
    return client


def _watching(
    revocations: Revocations | None, node: str, agent: ClientWebSocketResponse, cut: Callable[[], None]
) -> AbstractContextManager[None]:
    """Call ``cut`` when, in the context, the node of ``agent`` is revoked. Raises 503 when it is already."""
    if revocations is None:
        return nullcontext()
    certificate: bytes = agent.get_extra_info("ssl_object").getpeercert(binary_form=True)
    if revocations.refuses(node, certificate):
        raise errors.unavailable(f"the agent of node {node!r} is shut out")
    return revocations.watching(node, certificate, cut)


async def _once(event: asyncio.Event, farewell: _Farewell) -> _Farewell:
    await event.wait()
    return farewell


async def _pass(
    source: web.WebSocketResponse | ClientWebSocketResponse, sink: web.WebSocketResponse | ClientWebSocketResponse
) -> _Farewell:
    """Pass on what ``source`` sends until it ends; return with which words."""
    with suppress(ConnectionError):
        while True:
            message = await source.receive()
            match message.type:
                case WSMsgType.BINARY:
                    await sink.send_bytes(message.data)
                case WSMsgType.TEXT:
                    await sink.send_str(message.data)
                case WSMsgType.CLOSE:
                    return _Farewell(message.data or WSCloseCode.OK, message.extra or "")
                case _:
                    break
    return _GONE
