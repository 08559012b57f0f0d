"""A console from a client of the aggregator to the agent of a node, which the cluster says where to find.

The agent is one end of a real mutually authenticated connection, and sends back what it gets: those of real guests are
tried beside the agent.
"""

import ssl
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import WSMsgType, web

from certs.purposes import AGENT_SERVER, STREAMS
from kube.streams import PROTOCOL, path
from tests.aggregation.conftest import World, eventually
from tests.aggregation.test_proxied import raw
from tests.conformance.api import NODE, Kind
from tests.conformance.users import CLUSTER_BINDING, grant
from tests.server import NODE as NODE_NAME

pytestmark = pytest.mark.asyncio(loop_scope="session")
INSTANCE = Kind("VirtualMachineInstance", "kubevirt.io", "v1", "virtualmachineinstances", "default")
CONTROLLERS = "system:serviceaccount:virtplane:virtplane-controllers"
CONSOLE = "/apis/subresources.kubevirt.io/v1/namespaces/default/virtualmachineinstances/talker/console"


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def agent(world: World) -> AsyncIterator[int]:
    """The port of an agent."""

    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=(PROTOCOL,))
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket

    app, pki = web.Application(), world.aggregated.pki
    app.router.add_get(path("default", "talker", "console"), echo)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pki.pair(AGENT_SERVER.file))
    tls.load_verify_locations(pki.bundle(STREAMS))
    tls.verify_mode = ssl.CERT_REQUIRED
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def talker(world: World, agent: int) -> None:
    """An instance that is said to run on the node of that agent."""
    await world.admin.create(NODE, NODE_NAME)
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": agent}},
    }
    patch = "application/merge-patch+json"
    answer = await world.admin.call("PATCH", f"{NODE.path}/{NODE_NAME}/status", {"status": status}, content_type=patch)
    assert answer.code == 200, answer.body
    spec = {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}}
    answer = await world.admin.call("POST", INSTANCE.path, INSTANCE.manifest("talker") | {"spec": spec})
    assert answer.code == 201, answer.body
    await grant(world.admin, CONTROLLERS, CLUSTER_BINDING, "cluster-admin")
    headers = {"Impersonate-User": CONTROLLERS, "Content-Type": patch}
    runs = {"status": {"phase": "Running", "nodeName": NODE_NAME}}
    url = f"{INSTANCE.path}/talker/status"
    async with world.admin.session.patch(url, json=runs, headers=headers) as answered:
        assert (await answered.json())["status"]["phase"] == "Running"


@pytest.mark.usefixtures("talker")
async def test_bytes_go_both_ways(world: World) -> None:
    async def is_known() -> bool:
        return (await raw(world, f"GET {CONSOLE} HTTP/1.1\r\nHost: kube\r\n\r\n".encode()))[0] == 400

    await eventually(is_known)
    sent = bytes(range(256)) * 256
    async with world.admin.session.ws_connect(CONSOLE, protocols=(PROTOCOL,)) as socket:
        assert socket.protocol == PROTOCOL
        await socket.send_bytes(sent)
        read = b""
        while len(read) < len(sent):
            read += await socket.receive_bytes()
    assert read == sent


@pytest.mark.usefixtures("talker")
async def test_a_console_is_no_stream_of_the_days_of_spdy(world: World) -> None:
    head = f"POST {CONSOLE} HTTP/1.1\r\nHost: kube\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
    code, status = await raw(world, head.encode())
    assert (code, status["kind"]) == (405, "Status")
    code, status = await raw(world, head.replace("POST", "GET", 1).encode())
    assert (code, status["message"]) == (400, "not a WebSocket request: console is a stream")
