"""A cluster, a server that is part of it, and the stand-in for the aggregator before both: started once for all."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
import yaml

import deploy
from apiserver.incluster import Member
from certs.authority import issue_client
from certs.kubeconfig import write_kubeconfig
from certs.pair import Pair
from certs.purposes import CLIENTS
from tests.aggregator import Aggregator, Backend, FrontProxy
from tests.conformance.api import SECONDS, Api, Kind, connected
from tests.conformance.users import RBAC, make_role, rule
from tests.server import Server, running_server

TRUST = Kind("ConfigMap", "", "v1", "configmaps", "kube-system")
NAMES = {
    "requestheader-allowed-names": '["front-proxy-client"]',
    "requestheader-username-headers": '["X-Remote-User"]',
    "requestheader-group-headers": '["X-Remote-Group"]',
    "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
    "requestheader-uid-headers": '["X-Remote-Uid"]',
}
"""What kube-apiserver says of the front proxy beside its authority."""
CONFIG = "extension-apiserver-authentication"
READER = f"{CONFIG}-reader"
ACCOUNT = "virtplane-api"


@dataclass
class World:
    """Everything, and the ways to it."""

    directory: Path
    cluster: Server
    aggregated: Server
    aggregator: Aggregator
    proxy: FrontProxy
    admin: Api
    """The cluster's administrator at the aggregator."""
    running: AsyncExitStack
    """The cluster's server, which a test may stop,"""
    serving: AsyncExitStack
    """and the one that is part of it."""

    def enrol(self, name: str, *groups: str) -> Path:
        """Return a kubeconfig of a user of the cluster, who has a certificate."""
        pki = self.cluster.pki.directory
        issue_client(Pair.load(pki, CLIENTS.file), name, groups).save(self.directory, name)
        path = self.directory / f"{name}.kubeconfig"
        write_kubeconfig(
            path,
            server=self.aggregator.url,
            authority=self.aggregator.authority,
            pair=self.directory / f"{name}.pem",
            user=name,
        )
        return path

    def session(self, name: str) -> aiohttp.ClientSession:
        """Return connections to the aggregator as a user who was enrolled; paths are relative to it."""
        context = ssl.create_default_context(cafile=str(self.aggregator.authority))
        context.load_cert_chain(self.directory / f"{name}.pem")
        return aiohttp.ClientSession(self.aggregator.url, connector=aiohttp.TCPConnector(ssl=context, limit=0))


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something has become true that nobody tells of."""
    async with asyncio.timeout(SECONDS):
        while not await holds():  # noqa: ASYNC110 - as it says
            await asyncio.sleep(0.02)


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """What all tests share; who breaks something of it puts it together again."""
    async with a_world(tmp_path_factory.mktemp("world")) as world:
        yield world


@asynccontextmanager
async def a_world(directory: Path, *, importer: bool | None = None) -> AsyncIterator[World]:
    """Start a cluster, a server that has in it exactly what the manifests give it, and the aggregator.

    DataVolumes are the server's, unless ``importer`` says that they are, or will be, the cluster's.
    """
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(AsyncExitStack())
        cluster = await running.enter_async_context(
            running_server(directory / "cluster", data_volumes=importer is not False)
        )
        masters = Api(await stack.enter_async_context(connected(cluster)))
        proxy = FrontProxy(directory / "front-proxy")
        await trust(masters, cluster, proxy)
        kubeconfig = await account(masters, cluster, directory / "server.kubeconfig")
        serving = await stack.enter_async_context(AsyncExitStack())
        aggregated = await serving.enter_async_context(
            running_server(
                directory / "aggregated", around=Member(kubeconfig=kubeconfig), data_volumes=importer is None
            )
        )
        aggregator = Aggregator(
            cluster=Backend(cluster.port, context_of(cluster)),
            cluster_authority=str(cluster.pki.authority),
            aggregated=Backend(aggregated.port, proxy.context(aggregated.pki.authority)),
            client_ca=cluster.pki.bundle(CLIENTS),
            directory=directory,
        )
        await stack.enter_async_context(aggregator.running())
        world = World(directory, cluster, aggregated, aggregator, proxy, masters, running, serving)
        world.enrol("admin", "system:masters")
        world.admin = Api(await stack.enter_async_context(world.session("admin")))
        yield world


def context_of(cluster: Server) -> ssl.SSLContext:
    """Return the TLS context of the cluster's administrator."""
    context = ssl.create_default_context(cafile=str(cluster.pki.authority))
    context.load_cert_chain(cluster.pki.pair("admin"))
    return context


async def trust(masters: Api, cluster: Server, proxy: FrontProxy, *, role: bool = True) -> None:
    """Publish whom aggregated servers shall trust, and the ``role`` of who may read it, as kube-apiserver does."""
    clients = cluster.pki.bundle(CLIENTS).read_text()
    authorities = {"client-ca-file": clients, "requestheader-client-ca-file": proxy.authority}
    body = TRUST.manifest(CONFIG) | {"data": {**NAMES, **authorities}}
    assert (await masters.call("POST", TRUST.path, body)).code == 201
    if not role:
        return
    read = rule("", "configmaps", "get list watch", CONFIG)
    await make_role(masters, Kind("Role", RBAC, "v1", "roles", "kube-system"), READER, read)


async def account(masters: Api, cluster: Server, kubeconfig: Path) -> Path:
    """Make the server's ServiceAccount with the rights that the manifests give it, and a kubeconfig with its token."""
    for document in yaml.safe_load_all((deploy.DIRECTORY / "base" / "server-rbac.yaml").read_text()):
        group, version = document["apiVersion"].split("/")
        namespace = document["metadata"].get("namespace", "")
        kind = Kind(document["kind"], group, version, f"{document['kind'].lower()}s", namespace)
        assert (await masters.call("POST", kind.path, document)).code == 201
    accounts = Kind("ServiceAccount", "", "v1", "serviceaccounts", "virtplane")
    assert (await masters.call("POST", accounts.path, accounts.manifest(ACCOUNT))).code == 201
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    answer = await masters.call("POST", f"{accounts.path}/{ACCOUNT}/token", asked)
    config = yaml.safe_load(cluster.kubeconfig("admin").read_text())
    config["users"][0]["user"] = {"token": answer.body["status"]["token"]}
    kubeconfig.write_text(yaml.safe_dump(config))
    return kubeconfig


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Server]:
    """A cluster for one test, which may break it."""
    async with running_server(tmp_path / "cluster") as cluster:
        yield cluster


@pytest.fixture
async def masters(cluster: Server) -> AsyncIterator[Api]:
    """Its administrator."""
    async with connected(cluster) as session:
        yield Api(session)
