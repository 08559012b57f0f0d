"""Consoles and screens of a real guest through a real server and a real agent's server, all over mutual TLS."""

import asyncio
import contextlib
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler
from yarl import URL

from apiserver.http.agents import Agents
from apiserver.machinery.action import Endpoint
from apiserver.machinery.errors import StatusError
from certs.authority import issue_client, issue_server, make_authority
from certs.contexts import ServingContext
from certs.pair import Pair
from client.api import Client
from client.kinds import CONFIG_MAP, NODE, VIRTUAL_MACHINE_INSTANCE
from kube.installation import NAMESPACE
from kube.revocation import CONFIG_MAP as REVOKED_NODES
from kube.streams import PROTOCOL
from kube.timestamps import to_time, utc_now
from nodeagent.domain.identity import Identity, domain_name
from nodeagent.hypervisor.gateway import Hypervisor
from nodeagent.streams import server as streams
from tests.conformance.api import Api, connected
from tests.conformance.users import BINDING, ROLE, enrol, grant, make_role, rule
from tests.echo_guest import echo_guest
from tests.server import NODE as NODE_NAME
from tests.server import Server, running_server

if TYPE_CHECKING:
    from tests.libvirt_host import LibvirtHost

pytestmark = pytest.mark.asyncio(loop_scope="module")
module = pytest_asyncio.fixture(scope="module", loop_scope="module")

Object = dict[str, Any]
SECONDS = 20
GROUP = "subresources.kubevirt.io"
VNC = b"RFB 003.008\n"
PASTE = bytes(range(256)) * 64


@dataclass
class Site:
    """A server, an agent's server, and guests on the libvirt behind it."""

    directory: Path
    server: Server
    client: Client
    controllers: Client
    hypervisor: Hypervisor
    session: aiohttp.ClientSession
    port: int
    guests: contextlib.AsyncExitStack

    def path(self, name: str, device: str = "console", **query: str) -> URL:
        version = query.pop("version", "v1")
        path = f"/apis/{GROUP}/{version}/namespaces/default/virtualmachineinstances/{name}/{device}"
        return URL(path).with_query(query)

    async def instance(self, name: str, phase: str = "Running", node: str = NODE_NAME, **devices: Any) -> Object:
        """An instance that is said to run, without a guest."""
        spec = {"domain": {"devices": devices, "memory": {"guest": "32Mi"}}}
        metadata = {"name": name, "namespace": "default"}
        created = await self.client.create(VIRTUAL_MACHINE_INSTANCE, {"metadata": metadata, "spec": spec})
        status = {"status": {"nodeName": node, "phase": phase}}
        await self.controllers.patch(VIRTUAL_MACHINE_INSTANCE, name, "default", status, subresource="status")
        return created

    async def guest(self, name: str, node: str = NODE_NAME) -> None:
        """An instance whose guest runs."""
        created = await self.instance(name, node=node)
        directory = Path(tempfile.mkdtemp(prefix=name, dir=self.directory))
        directory.chmod(0o777)
        identity = Identity("default", name, created["metadata"]["uid"], NODE_NAME)
        await self.hypervisor.start(echo_guest(identity, directory))
        self.guests.push_async_callback(self.hypervisor.remove, domain_name("default", name))

    async def node(self, name: str, port: int) -> None:
        """A node that says where its agent is."""
        await self.client.create(NODE, {"metadata": {"name": name}})
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }
        await self.client.patch(NODE, name, None, {"status": status}, subresource="status")

    @contextlib.asynccontextmanager
    async def connect(self, name: str, device: str = "console", **query: str) -> AsyncIterator["Stream"]:
        async with self.session.ws_connect(self.path(name, device, **query), protocols=(PROTOCOL,)) as socket:
            assert socket.protocol == PROTOCOL
            yield Stream(socket)


@dataclass
class Stream:
    """A client's end of a stream."""

    socket: aiohttp.ClientWebSocketResponse

    async def read(self, size: int) -> bytes:
        """The next bytes."""
        read = b""
        async with asyncio.timeout(SECONDS):
            while len(read) < size:
                read += await self.socket.receive_bytes()
        return read

    async def echo(self, sent: bytes) -> None:
        """Send bytes, and get the very same back."""
        _, read = await asyncio.gather(self.socket.send_bytes(sent), self.read(len(sent)))
        assert read == sent

    async def farewell(self) -> tuple[int, str]:
        """The code and the reason with which it is closed."""
        async with asyncio.timeout(SECONDS):
            while (message := await self.socket.receive()).type == WSMsgType.BINARY:
                pass
        assert message.type == WSMsgType.CLOSE, message
        return message.data, message.extra or ""


def credentials(directory: Path, common_name: str = "system:apiserver") -> Agents:
    """An authority, and what the API server shows to agents."""
    authority = make_authority("streams")
    authority.save(directory, "authority")
    (directory / "authority.crt").write_bytes(authority.certificate_pem)
    issue_server(authority, "agent", [NODE_NAME, "two", "revoked", "liar"]).save(directory, "server")
    issue_client(authority, common_name).save(directory, "client")
    return Agents(authority=directory / "authority.crt", certificate=directory / "client.pem")


@contextlib.asynccontextmanager
async def answering(handler: Handler, scheme: str = "http", **how: Any) -> AsyncIterator[TestServer]:
    """A server that answers everything in one way."""
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    server = TestServer(app, scheme=scheme)
    await server.start_server(**how)
    try:
        yield server
    finally:
        await server.close()


def agent(home: Path) -> streams.Options:
    """How an agent serves with what is in ``home``."""
    return streams.Options(port=0, certificate=home / "server.pem", client_ca=home / "authority.crt")


@contextlib.asynccontextmanager
async def running_site(libvirt: "LibvirtHost", home: Path) -> AsyncIterator[Site]:
    own = Path(tempfile.mkdtemp(prefix="virtplane-streams-"))
    own.chmod(0o755)
    async with (
        Hypervisor.open(libvirt.uri) as hypervisor,
        contextlib.AsyncExitStack() as guests,
        streams.serving("127.0.0.1", agent(home), hypervisor) as port,
        running_server(home, agents=credentials(home)) as server,
        Client.from_kubeconfig(server.kubeconfig("admin"), "tests") as client,
        Client.from_kubeconfig(server.kubeconfig("controllers"), "tests") as controllers,
        connected(server) as session,
    ):
        guests.callback(shutil.rmtree, own)
        await hypervisor.connected.wait()
        site = Site(own, server, client, controllers, hypervisor, session, port, guests)
        await site.node(NODE_NAME, port)
        yield site


@module
async def site(private_libvirt: "LibvirtHost", tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    home = tmp_path_factory.mktemp("streams")
    credentials(home)
    async with running_site(private_libvirt, home) as site:
        await site.guest("echo")
        yield site


async def test_what_is_typed_comes_to_the_guest_and_what_it_says_comes_back(site: Site) -> None:
    for version in ("v1", "v1alpha3"):
        async with site.connect("echo", version=version) as console:
            await console.echo(b"\x00hello\r\n\xff")
            # Terminals in browsers send text.
            await console.socket.send_str("grüße")
            assert await console.read(7) == "grüße".encode()


async def test_a_long_paste_comes_whole(site: Site) -> None:
    async with site.connect("echo") as console:
        await console.echo(PASTE)


async def test_whoever_comes_later_takes_the_console_over(site: Site) -> None:
    async with site.connect("echo") as first:
        await first.echo(b"first")
        async with site.connect("echo") as second:
            assert await first.farewell() == (1008, "somebody else has connected")
            await second.echo(b"second")


async def test_a_screen_speaks_vnc_and_is_left_to_whom_it_belongs_if_asked(site: Site) -> None:
    async with site.connect("echo", "vnc") as screen:
        assert await screen.read(len(VNC)) == VNC
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with site.connect("echo", "vnc", preserveSession="true"):
                pass
        assert refused.value.status == 409
        async with site.connect("echo", "vnc", preserveSession="false") as other:
            assert (await screen.farewell())[0] == 1008
            assert await other.read(len(VNC)) == VNC
    async with site.connect("echo", "vnc", preserveSession="true") as again:
        assert await again.read(len(VNC)) == VNC


async def test_the_end_of_the_guest_is_the_end_of_the_stream(site: Site) -> None:
    await site.guest("ending")
    async with site.connect("ending") as console:
        await site.hypervisor.destroy("default_ending")
        assert await console.farewell() == (1000, "")


async def test_an_agent_that_stops_says_so(site: Site) -> None:
    async with contextlib.AsyncExitStack() as agents:
        port = await agents.enter_async_context(
            streams.serving("127.0.0.1", agent(site.server.directory), site.hypervisor)
        )
        await site.node("two", port)
        await site.guest("two", node="two")
        async with site.connect("two") as console:
            stopping = asyncio.create_task(agents.aclose())
            code, reason = await console.farewell()
            await stopping
    assert code == 1001
    assert "the node agent is stopping" in reason
    answer = await refusal(site, "two")
    assert answer == (503, "ServiceUnavailable", "the agent of node 'two' cannot be reached")


async def refusal(site: Site, name: str, device: str = "console") -> tuple[int, str, str]:
    """The code, the reason and the message of the Status that a request for a stream is refused with."""
    key = {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version": "13"}
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", **key}
    async with site.session.get(site.path(name, device), headers=upgrade) as answer:
        status = await answer.json(content_type=None)
    assert (status["kind"], status["code"]) == ("Status", answer.status)
    return answer.status, status["reason"], status["message"]


@pytest.mark.parametrize(
    ("name", "device", "how", "expected"),
    [
        ("absent", "console", None, (404, "NotFound", 'virtualmachineinstance.kubevirt.io "absent" not found')),
        ("early", "console", {"phase": "Scheduled"}, (400, "BadRequest", "it is in phase Scheduled")),
        ("early-screen", "vnc", {"phase": "Scheduled"}, (400, "BadRequest", "it is in phase Scheduled")),
        ("failed", "console", {"phase": "Failed"}, (409, "Conflict", "it has failed")),
        ("deaf", "console", {"autoattachSerialConsole": False}, (400, "BadRequest", "no serial console")),
        ("blind", "vnc", {"autoattachGraphicsDevice": False}, (400, "BadRequest", "no screen")),
        ("nowhere", "console", {"node": "unknown"}, (503, "ServiceUnavailable", "not known where the agent")),
        ("gone", "console", {}, (503, "ServiceUnavailable", "no such device of a guest of this instance")),
    ],
)
async def test_what_is_wrong_is_told_before_the_upgrade(
    site: Site, name: str, device: str, how: dict[str, Any] | None, expected: tuple[int, str, str]
) -> None:
    if how is not None:
        await site.instance(name, **how)
    code, reason, message = await refusal(site, name, device)
    assert (code, reason) == expected[:2]
    assert expected[2] in message


async def test_a_new_instance_of_an_old_name_is_another(site: Site) -> None:
    await site.guest("again")
    await site.client.patch(VIRTUAL_MACHINE_INSTANCE, "again", "default", {"metadata": {"finalizers": None}})
    await site.client.delete(VIRTUAL_MACHINE_INSTANCE, "again", "default")
    await site.instance("again")
    assert (await refusal(site, "again"))[0] == 503


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
async def test_what_is_no_websocket_is_told_so(site: Site, method: str) -> None:
    async with site.session.request(method, site.path("echo")) as answer:
        told = await answer.text()
    assert answer.status == (400 if method in {"GET", "HEAD"} else 405)
    assert method == "HEAD" or '"kind":"Status"' in told


async def test_whoever_may_do_all_with_instances_has_no_right_to_their_consoles(site: Site) -> None:
    api = Api(site.session)
    await make_role(api, ROLE, "looks", rule("kubevirt.io", "virtualmachineinstances virtualmachineinstances/*", "*"))
    await make_role(api, ROLE, "types", rule(GROUP, "virtualmachineinstances/console", "get"))
    async with connected(site.server, enrol(site.server, "eve")) as session:
        eve = replace(site, session=session)
        await grant(api, "eve", BINDING, "looks", role_kind="Role")
        assert (await refusal(eve, "echo"))[:2] == (403, "Forbidden")
        await grant(api, "eve", BINDING, "types", role_kind="Role")
        async with eve.connect("echo") as console:
            await console.echo(b"eve")
        assert (await refusal(eve, "echo", "vnc"))[:2] == (403, "Forbidden")


async def test_a_server_that_stops_says_so(private_libvirt: "LibvirtHost", tmp_path: Path) -> None:
    credentials(tmp_path)
    async with contextlib.AsyncExitStack() as ending:
        async with running_site(private_libvirt, tmp_path) as site:
            await site.guest("left")
            session = await ending.enter_async_context(connected(site.server))
            console = await ending.enter_async_context(replace(site, session=session).connect("left"))
            farewell = asyncio.create_task(console.farewell())
        assert await farewell == (1001, "the server is stopping; please connect again")


@pytest.mark.parametrize(
    "said",
    [
        {"addresses": [{"type": "InternalIP", "address": "no where"}]},
        {"daemonEndpoints": {"kubeletEndpoint": {"Port": 99999}}},
    ],
    ids=",".join,
)
async def test_an_agent_that_can_be_nowhere_is_nobodys_fault_but_its_own(site: Site, said: Object) -> None:
    name = "lost-" + next(iter(said)).lower()
    await site.node(name, site.port)
    await site.client.patch(NODE, name, None, {"status": said}, subresource="status")
    await site.instance(name, node=name)
    assert (await refusal(site, name))[0] == 503


async def test_an_agent_that_is_another_than_its_node_is_not_believed(site: Site) -> None:
    await site.node("three", site.port)
    await site.instance("misled", node="three")
    code, _, message = await refusal(site, "misled")
    assert (code, message) == (503, "the agent of node 'three' and this server do not trust each other")


async def test_an_agent_leads_the_server_nowhere_else(site: Site) -> None:
    asked: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response()

    async def lie(_: web.Request) -> web.Response:
        raise web.HTTPFound(other.make_url("/secret"))

    home = site.server.directory
    tls = ServingContext.of(home / "server.pem", home / "authority.crt")
    async with answering(elsewhere) as other, answering(lie, scheme="https", ssl=tls) as agent:
        assert agent.port
        await site.node("liar", agent.port)
        await site.instance("led", node="liar")
        told = "the agent of node 'liar' cannot connect to the guest: it answers 302"
        assert await refusal(site, "led") == (503, "ServiceUnavailable", told)
    assert asked == []


async def test_nobody_is_connected_with_a_node_that_is_revoked(site: Site) -> None:
    await site.node("revoked", site.port)
    await site.guest("cut", node="revoked")
    async with site.connect("cut") as console:
        await console.echo(b"before")
        data = {"revoked": to_time(utc_now())}
        await site.client.create(
            CONFIG_MAP, {"metadata": {"name": REVOKED_NODES, "namespace": NAMESPACE}, "data": data}
        )
        assert await console.farewell() == (1011, "the connection was lost")
    assert await refusal(site, "cut") == (503, "ServiceUnavailable", "the agent of node 'revoked' is shut out")


async def test_an_agent_serves_the_api_server_and_nobody_else(site: Site, tmp_path: Path) -> None:
    home = site.server.directory
    right = Agents(authority=home / "authority.crt", certificate=home / "client.pem")
    uid = (await site.client.get(VIRTUAL_MACHINE_INSTANCE, "echo", "default"))["metadata"]["uid"]
    path = "/v1/namespaces/default/virtualmachineinstances/echo/console"
    endpoint = Endpoint(node=NODE_NAME, address="127.0.0.1", port=site.port, path=path, query={"uid": uid})
    async with right.stream(endpoint) as console:
        await Stream(console).echo(b"right")
    credentials(tmp_path)
    issue_client(Pair.load(home, "authority"), f"system:node:{NODE_NAME}", ["system:nodes"]).save(tmp_path, "node")
    for name in ("client", "node"):
        with pytest.raises(StatusError) as refused:
            async with replace(right, certificate=tmp_path / f"{name}.pem").stream(endpoint):
                pass
        assert refused.value.code == 503
    anonymous = ssl.create_default_context(cafile=str(right.authority))
    anonymous.check_hostname = False
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"https://127.0.0.1:{site.port}{path}", ssl=anonymous)
