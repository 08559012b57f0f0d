"""Hosts that join: real server, real controllers, real certificates, and the homes of other hosts beside them."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from certs.authority import issue_server, life_of, make_authority, served_names
from certs.bootstrap import Pki, read_bundle
from certs.kubeconfig import write_kubeconfig
from certs.objects import CONSUMERS, STATEMENT_ANNOTATION
from certs.pair import Pair
from certs.pinning import pin_of
from certs.purposes import AGENT, AGENT_SERVER, Leaf
from certs.requests import CLIENT_SIGNER
from certs.trust import signed_by
from client.api import Client
from client.errors import ApiError
from client.informer import Informer
from client.kinds import CERTIFICATE_SIGNING_REQUEST, CONFIG_MAP, EVENT, KUBEVIRT, NODE, SECRET, Kind
from kube.conditions import is_true
from kube.installation import NAMESPACE
from kube.objects import Object
from nodeagent.enrolment.errors import JoinError
from nodeagent.enrolment.join import Options, join
from nodeagent.enrolment.renewal import Renewal
from nodeagent.enrolment.requesting import Enrolment
from tests import signing
from virtplane.enrolment import EnrolmentError
from virtplane.enrolment import join as join_command
from virtplane.home import Home
from virtplane.prepare import PrepareError, make_credentials
from virtplane.revocation import revoke
from virtplane.roles import run_controllers, run_server
from virtplane.settings import Settings
from virtplane.supervision import processes
from virtplane.tokens import token_secret

SECONDS = 30
TOKEN = "abcdef.0123456789abcdef"


@dataclass(frozen=True)
class Installation:
    """A server with its controllers, on another host as it were."""

    settings: Settings

    @property
    def home(self) -> Home:
        return Home.of(self.settings)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.settings.port}"

    @property
    def authority(self) -> Pair:
        return Pair.load(self.home.pki, "ca")

    def host(self, directory: Path, node: str, token: str = TOKEN) -> Options:
        """What a host joins with that is to be ``node``."""
        pki = directory / node / "pki"
        return Options(
            server=self.url,
            token=token,
            pins=(pin_of(self.authority.certificate),),
            node_name=node,
            pki=pki,
            kubeconfig=pki / "agent.kubeconfig",
        )


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        settings = Settings(
            home=str(tmp_path_factory.mktemp("server")),
            address="0.0.0.0",  # noqa: S104 - as other hosts need it
            port=free.getsockname()[1],
        )
    loop, stop, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()

    async def run() -> None:
        serving, controlling = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(run_server(settings, stop, serving))
            await serving.wait()
            group.create_task(run_controllers(settings, stop, controlling))
            await controlling.wait()
            async with Client.from_kubeconfig(Home.of(settings).kubeconfig, "tests") as client:
                await until(client, CONFIG_MAP, CONSUMERS, bool)
            ready.set()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    assert ready.wait(SECONDS)
    yield Installation(settings)
    loop.call_soon_threadsafe(stop.set)
    thread.join(SECONDS)
    loop.close()


async def until(client: Client, kind: Kind, name: str, holds: Callable[[Object], bool]) -> None:
    """Wait until something is true of an object of the installation's namespace, or of none."""
    seen = asyncio.Event()
    informer = Informer(client, kind, namespace=NAMESPACE if kind.namespaced else None)
    informer.add_handler(lambda _, new: seen.set() if new and new["metadata"]["name"] == name and holds(new) else None)
    watching = asyncio.create_task(informer.run())
    async with asyncio.timeout(SECONDS):
        await seen.wait()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


@pytest.fixture
async def admin(installation: Installation) -> AsyncIterator[Client]:
    # It follows its certificate, as short a life as that may have.
    async with Client.from_kubeconfig(installation.home.kubeconfig_of("loopback"), "tests") as client:
        yield client
        for kind, namespace in ((SECRET, "kube-system"), (NODE, None)):
            for each in (await client.list(kind, namespace))["items"]:
                await client.delete(kind, each["metadata"]["name"], namespace)


async def allow(admin: Client, token: str = TOKEN, node: str = "", hours: float = 1) -> None:
    await admin.create(SECRET, token_secret(token, node=node, lives=timedelta(hours=hours)))


async def joined(options: Options, told: list[str] | None = None) -> bool:
    async with asyncio.timeout(SECONDS):
        return await join(options, (told if told is not None else []).append)


async def virtplane(*arguments: str) -> str:
    """Run the command as people do, and return what it prints."""
    process = await asyncio.create_subprocess_exec(
        *processes.virtplane(*arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed
    return printed.decode()


async def test_a_host_joins_by_the_command_that_the_token_comes_with(
    installation: Installation, tmp_path: Path
) -> None:
    printed = await virtplane(
        *("token", "create", "--node", "host1", "--ttl", "10m"),
        *("--home", installation.settings.home),
    )
    command = printed.split()
    assert command[:3] == ["virtplane", "agent", "join"]
    assert "this host is the node host1" in await virtplane(*command[1:], "--home", str(tmp_path))
    pki = Pki(tmp_path / "pki")
    again = replace(
        installation.host(tmp_path, "host1"), pki=pki.directory, kubeconfig=pki.directory / "agent.kubeconfig"
    )
    assert await joined(again) is False
    client, serving = (Pair.load(pki.directory, each.file).certificate for each in (AGENT, AGENT_SERVER))
    assert client.subject.rfc4514_string() == "CN=system:node:host1,O=system:nodes"
    assert served_names(serving) == ["host1"]
    assert not list(pki.directory.glob("*request*"))
    async with Client.from_kubeconfig(pki.directory / "agent.kubeconfig", "tests") as agent:
        await agent.create(NODE, {"metadata": {"name": "host1"}})
        with pytest.raises(ApiError, match="host1 may only use the name of its node"):
            await agent.create(NODE, {"metadata": {"name": "host2"}})
    settings = replace(installation.settings, home=str(tmp_path))
    with pytest.raises(PrepareError, match="has joined a server elsewhere as host1"):
        make_credentials(settings, Home.of(settings))


def test_no_host_joins_where_a_server_is(installation: Installation) -> None:
    with pytest.raises(EnrolmentError, match="holds a server of its own"):
        join_command(installation.settings, server=installation.url, token=TOKEN, pins=())


async def test_a_host_says_in_plain_words_why_it_cannot_join(installation: Installation, tmp_path: Path) -> None:
    host = installation.host(tmp_path, "host2")
    for wrong, words in {
        replace(host, pins=(f"sha256:{'0' * 64}",)): "does not show the authority of --ca-cert-hash",
        replace(host, server="https://127.0.0.1:1"): "no server answers at 127.0.0.1:1",
        replace(host, server="http://127.0.0.1"): "--server must look like https://HOST:PORT",
        replace(host, token="abcdef"): "--token must look like",
        replace(host, token="abcdef.0000000000000000"): "`virtplane token create` makes another",
        replace(host, server=installation.url.replace("127.0.0.1", "127.0.0.2")): "is not to be trusted: IP address",
    }.items():
        with pytest.raises(JoinError, match=words):
            await joined(wrong)
    assert not list(host.pki.glob("*agent.pem"))


@contextlib.asynccontextmanager
async def impostor(directory: Path, leaf: Pair, *chain: Pair) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve with ``leaf``; yield the URL, and what clients send."""
    received: list[bytes] = []
    shown = directory / "impostor.pem"
    shown.write_bytes(leaf.key_pem + leaf.certificate_pem + b"".join(each.certificate_pem for each in chain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown)

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", received


async def test_a_server_in_between_is_found_out_and_learns_no_token(installation: Installation, tmp_path: Path) -> None:
    own = make_authority("impostor")
    leaf, host = issue_server(own, "virtplane", ["127.0.0.1"]), installation.host(tmp_path, "host2")
    chains = {(own,): "does not show the authority", (own, installation.authority): "is not to be trusted"}
    for chain, words in chains.items():
        async with impostor(tmp_path, leaf, *chain) as (url, received):
            with pytest.raises(JoinError, match=words):
                await joined(replace(host, server=url))
            assert not any(received)


async def until_told(told: list[str], words: str) -> str:
    """Wait until somebody who joins is told something, and return that."""
    async with asyncio.timeout(SECONDS):
        while not (found := [each for each in told if words in each]):  # noqa: ASYNC110 - a list tells nobody
            await asyncio.sleep(0.02)
    return found[0]


@contextlib.asynccontextmanager
async def waiting(options: Options) -> AsyncIterator[list[str]]:
    """Join for as long as the context lasts; yield what is told meanwhile."""
    told: list[str] = []
    joining = asyncio.create_task(joined(options, told))
    yield told
    joining.cancel()
    await asyncio.gather(joining, return_exceptions=True)


async def test_a_stolen_token_does_not_get_the_name_of_another_node(
    installation: Installation, admin: Client, tmp_path: Path
) -> None:
    await allow(admin)
    await joined(installation.host(tmp_path / "owner", "host3"))
    thief = installation.host(tmp_path / "thief", "host3")
    async with waiting(thief) as told:
        await until_told(told, "a node of this name is there already")
    async with waiting(replace(thief, node_name=installation.settings.node_name)) as told:
        await until_told(told, "a node of this name is there already")
    await allow(admin, "bbbbbb.0123456789abcdef", node="host4")
    bound = replace(thief, token="bbbbbb.0123456789abcdef")
    async with waiting(bound) as told:
        await until_told(told, "the bootstrap token is for the node host4")
    await joined(installation.host(tmp_path / "owner", "host4", token=bound.token))
    async with waiting(replace(bound, node_name="host4", pki=tmp_path / "other")) as told:
        await until_told(told, "the bootstrap token has been used")
    assert not list(tmp_path.glob("thief/*/pki/agent.pem"))


async def test_somebody_decides_by_hand(installation: Installation, admin: Client, tmp_path: Path) -> None:
    await allow(admin)
    await admin.create(NODE, {"metadata": {"name": "host5"}})
    host = installation.host(tmp_path, "host5")

    async def joined_after(decision: str) -> bool:
        told: list[str] = []
        joining = asyncio.create_task(joined(host, told))
        name = (await until_told(told, "kubectl certificate approve")).split("approve ")[1].strip("`")
        kubectl = ("kubectl", "--kubeconfig", str(installation.home.kubeconfig), "certificate", decision, name)
        await asyncio.to_thread(subprocess.run, kubectl, check=True, stdout=subprocess.DEVNULL)
        return await joining

    with pytest.raises(JoinError, match="was denied"):
        await joined_after("deny")
    assert await joined_after("approve") is True


@contextlib.asynccontextmanager
async def looked_after(host: Options) -> AsyncIterator[Client]:
    """Do what the agent of a host that has joined does about trust; yield a client with its certificate."""
    async with Client.from_kubeconfig(host.kubeconfig, "tests") as agent:
        await agent.create(NODE, {"metadata": {"name": host.node_name}})
        kubevirts = Informer(agent, KUBEVIRT)
        work = (
            kubevirts.run(),
            Renewal(agent, Pki(host.pki), host.node_name, Enrolment.joined(host.node_name), kubevirts).run(),
        )
        tasks = [asyncio.create_task(each) for each in work]
        await until(agent, NODE, host.node_name, said)
        yield agent
        assert not any(each.done() for each in tasks)
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def shown(host: Options, leaf: Leaf) -> x509.Certificate:
    """Return a certificate of a host."""
    return Pair.load(host.pki, leaf.file).certificate


def said(node: Object) -> bool:
    """Return True once the agent of a node has told what it holds."""
    return STATEMENT_ANNOTATION in node["metadata"].get("annotations", {})


async def replaced(host: Options, leaf: Leaf, before: x509.Certificate) -> x509.Certificate:
    """Wait until a certificate of a host is another, and return that."""
    async with asyncio.timeout(SECONDS):
        while (now := shown(host, leaf)) == before:  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.02)
    return now


@pytest.mark.parametrize("leaf", [AGENT, AGENT_SERVER], ids=lambda leaf: leaf.file)
async def test_an_authority_under_suspicion_is_forgotten_once_the_host_has_another_certificate(
    installation: Installation, admin: Client, tmp_path: Path, leaf: Leaf
) -> None:
    host = installation.host(tmp_path, f"host6-{leaf.file}")
    await allow(admin)
    await joined(host)
    async with looked_after(host) as agent:
        before, old = shown(host, leaf), read_bundle(Pki(host.pki).bundle(leaf.purpose))[0]
        await admin.delete(SECRET, leaf.purpose.authority, NAMESPACE)
        after = await replaced(host, leaf, before)
        async with asyncio.timeout(SECONDS):
            while old in (bundle := read_bundle(Pki(host.pki).bundle(leaf.purpose))):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert signed_by(after, bundle[0])
        await agent.get(NODE, host.node_name)


async def test_a_host_renews_its_certificates_by_itself(
    installation: Installation, admin: Client, tmp_path: Path
) -> None:
    host = installation.host(tmp_path, "host7")
    await allow(admin)
    await joined(host)
    certificates = {leaf: shown(host, leaf) for leaf in (AGENT, AGENT_SERVER)}
    async with looked_after(host) as agent, lifetime(installation, admin, timedelta(seconds=8)):
        for _ in range(2):  # the first has a shorter life, the second follows as that ends
            certificates = {leaf: await replaced(host, leaf, before) for leaf, before in certificates.items()}
            await agent.get(NODE, host.node_name)


@contextlib.asynccontextmanager
async def lifetime(installation: Installation, admin: Client, duration: timedelta) -> AsyncIterator[None]:
    """Let certificates live for so long, and be renewed as early as can be; in the end all is as it was."""
    (kubevirt,) = (await admin.list(KUBEVIRT))["items"]
    name, namespace = kubevirt["metadata"]["name"], kubevirt["metadata"]["namespace"]

    async def live(how: dict[str, str] | None) -> None:
        strategy = {"selfSigned": {"server": how}}
        await admin.patch(KUBEVIRT, name, namespace, {"spec": {"certificateRotateStrategy": strategy}})

    text = f"{duration.total_seconds():g}s"
    await live({"duration": text, "renewBefore": text})
    yield
    await live(None)
    async with asyncio.timeout(SECONDS):
        while life_of(Pair.load(installation.home.pki, "admin").certificate) <= duration:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def drained(watch: AsyncIterator[object]) -> None:
    """Read a watch to its end."""
    async for _ in watch:
        pass


async def test_a_revoked_host_is_cut_off_and_only_a_new_token_for_it_lets_it_in(
    installation: Installation, admin: Client, tmp_path: Path
) -> None:
    host = installation.host(tmp_path, "host8")
    await allow(admin)
    await joined(host)
    async with Client.from_kubeconfig(host.kubeconfig, "tests") as agent:
        node = await agent.create(NODE, {"metadata": {"name": "host8", "labels": {"kubevirt.io/schedulable": "true"}}})
        watch = agent.watch(NODE, resource_version=node["metadata"]["resourceVersion"])
        await agent.patch(NODE, "host8", None, {"metadata": {"labels": {"a": "b"}}})
        await anext(watch)
        await asyncio.to_thread(revoke, installation.settings, node="host8")
        with pytest.raises(ApiError, match="ConnectionFailed"):
            await asyncio.wait_for(drained(watch), SECONDS)
        for _ in range(2):
            with pytest.raises(ApiError) as refused:
                await agent.get(NODE, "host8")
            assert refused.value.code == 401
    await until(admin, NODE, "host8", lambda found: found["metadata"]["labels"]["kubevirt.io/schedulable"] == "false")
    events = await admin.list(EVENT, "default", field_selector="involvedObject.name=host8")
    assert "AgentRevoked" in {each["reason"] for each in events["items"]}
    async with waiting(host) as told:
        await until_told(told, "only a token made for it since then lets it in again")
    await allow(admin, "cccccc.0123456789abcdef", node="host8")
    assert await joined(replace(host, token="cccccc.0123456789abcdef")) is True
    async with Client.from_kubeconfig(host.kubeconfig, "tests") as agent:
        await agent.get(NODE, "host8")


async def test_the_servers_own_host_gets_another_certificate_where_a_copy_of_its_key_is_shut_out(
    installation: Installation, tmp_path: Path
) -> None:
    node, pki = installation.settings.node_name, Pki(installation.home.pki)
    stolen, before = tmp_path / "stolen", Pair.load(pki.directory, AGENT.file).certificate
    write_kubeconfig(stolen, server=installation.url, authority=pki.authority, pair=pki.pair(AGENT.file), user="thief")
    async with (
        Client.from_kubeconfig(stolen, "tests") as thief,
        Client.from_kubeconfig(installation.home.kubeconfig_of("agent"), "tests") as agent,
    ):
        for each in (thief, agent):
            await each.list(NODE)
        await asyncio.to_thread(revoke, installation.settings, node=node)
        with pytest.raises(ApiError, match="401"):
            await thief.list(NODE)
        async with asyncio.timeout(SECONDS):
            while Pair.load(pki.directory, AGENT.file).certificate == before:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await agent.list(NODE)


async def test_what_somebody_approves_that_no_agent_needs_fails(installation: Installation, admin: Client) -> None:
    request: Object = {
        "metadata": {"name": "another"},
        "spec": {"request": signing.request("admin", "system:masters"), "signerName": CLIENT_SIGNER, "usages": ["any"]},
    }
    await admin.create(CERTIFICATE_SIGNING_REQUEST, request)
    approved = {"type": "Approved", "status": "True", "reason": "ByHand"}
    await admin.patch(
        *(CERTIFICATE_SIGNING_REQUEST, "another", None, {"status": {"conditions": [approved]}}), subresource="approval"
    )

    def failed(found: Object) -> bool:
        return is_true(found.get("status", {}).get("conditions", ()), "Failed")

    await until(admin, CERTIFICATE_SIGNING_REQUEST, "another", failed)
    assert "certificate" not in (await admin.get(CERTIFICATE_SIGNING_REQUEST, "another"))["status"]
