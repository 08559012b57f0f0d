"""A whole installation in a cluster: the manifests' rights, the real server and the real controllers, and nothing else.

The certificates come to be, kube-apiserver comes to trust them by its APIServices, and all of them can be thrown away
while clients go on.
"""

import asyncio
import base64
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
import yaml

from apiserver.auth.policy import CLUSTER_ROLES
from apiserver.storage import tasks
from certs.purposes import API, CLIENTS, SERVER
from client.api import Client
from client.informer import Informer
from client.kinds import API_SERVICE, CLUSTER_ROLE
from controllers.certificates import aggregation
from kube.installation import NAMESPACE
from tests.aggregation.conftest import account, context_of, eventually, trust
from tests.aggregation.machines import machine, machines
from tests.aggregator import Aggregator, Backend, FrontProxy
from tests.conformance.api import NODE, SECONDS, Api, connected
from tests.conformance.watching import watching
from tests.deploy import accounts
from tests.kubernetes import catalogue, running_cluster
from virtplane.kubernetes.manifests import installation, kind_of
from virtplane.roles import Role, run_controllers, run_server
from virtplane.settings import Settings

SERVICE = "virtplane-api.virtplane.svc"
INSTANCES = "/apis/kubevirt.io/v1/namespaces/default/virtualmachineinstances"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"


class Published(Backend):
    """The server, as kube-apiserver knows it: by what the APIServices hold at this moment."""

    def __init__(self, port: int, proxy: FrontProxy, services: Informer) -> None:
        self.port, self.hostname = port, SERVICE
        self._proxy = proxy
        self._services = services

    @property
    def bundle(self) -> str:
        """The authorities, in PEM."""
        service = self._services.get("v1.kubevirt.io") or {"spec": {}}
        return base64.b64decode(service["spec"].get("caBundle", "")).decode()

    @property
    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.bundle:
            context.load_verify_locations(cadata=self.bundle)
        context.load_cert_chain(self._proxy.directory / "own.pem")
        return context


@dataclass
class Installation:
    """A cluster and Virtplane in it."""

    masters: Api
    """The administrator, at the cluster itself,"""
    admin: Api
    """and at the aggregator."""
    published: Published


@contextlib.asynccontextmanager
async def running(role: Role, settings: Settings) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(role(settings, stop, asyncio.Event()))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(SECONDS):
            await task


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Installation]:
    monkeypatch.setattr(aggregation, "SETTLING", timedelta(seconds=0.2))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with AsyncExitStack() as stack:
        schemas = await asyncio.to_thread(catalogue, tmp_path / "schemas")
        cluster = await stack.enter_async_context(running_cluster(tmp_path / "cluster", schemas, machines=False))
        masters = Api(await stack.enter_async_context(connected(cluster)))
        client = await stack.enter_async_context(Client.from_kubeconfig(cluster.kubeconfig("admin"), "tests"))
        proxy = FrontProxy(tmp_path / "front-proxy")
        for each in installation("sqlite"):
            if each["kind"] in {"Namespace", "APIService"}:
                await client.apply(kind_of(each), each)
        await trust(masters, cluster, proxy)
        for role in CLUSTER_ROLES:
            if role["metadata"]["name"] == "system:auth-delegator":  # every cluster has it
                await client.create(CLUSTER_ROLE, role)
        services = Informer(client, API_SERVICE)
        published = Published(port, proxy, services)
        following = asyncio.create_task(services.run())
        stack.push_async_callback(tasks.end, following)
        (tmp_path / "aggregator").mkdir()
        aggregator = Aggregator(
            cluster=Backend(cluster.port, context_of(cluster)),
            cluster_authority=str(cluster.pki.authority),
            aggregated=published,
            client_ca=cluster.pki.bundle(CLIENTS),
            directory=tmp_path / "aggregator",
        )
        await stack.enter_async_context(aggregator.running())
        server = await account(masters, cluster, tmp_path / "server.kubeconfig")
        controllers = await accounts.account(cluster, client, masters, "virtplane-controllers")
        at(aggregator, controllers)
        for role, kubeconfig in ((run_server, server), (run_controllers, controllers)):
            home = tmp_path / role.__name__
            settings = Settings(home=str(home), port=port, kubeconfig=str(kubeconfig), node_name=home.name)
            await stack.enter_async_context(running(role, settings))
        context = ssl.create_default_context(cafile=str(aggregator.authority))
        context.load_cert_chain(cluster.pki.pair("admin"))
        connector = aiohttp.TCPConnector(ssl=context, limit=0)
        session = await stack.enter_async_context(aiohttp.ClientSession(aggregator.url, connector=connector))
        yield Installation(masters, Api(session), published)


def at(aggregator: Aggregator, kubeconfig: Path) -> None:
    """Let a kubeconfig lead to the aggregator."""
    config = yaml.safe_load(kubeconfig.read_text())
    authority = base64.b64encode(aggregator.authority.read_bytes()).decode()
    config["clusters"][0]["cluster"] = {"server": aggregator.url, "certificate-authority-data": authority}
    kubeconfig.write_text(yaml.safe_dump(config))


async def make_a_node(masters: Api) -> None:
    """Make a Node as its kubelet has it, to which an agent has come."""
    status = {
        "allocatable": {"cpu": "8", "memory": "8Gi", "pods": "110"},
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    await masters.create(NODE, "one", labels={"kubevirt.io/schedulable": "true"})
    path = f"{NODE.path}/one/status"
    patched = await masters.call("PATCH", path, {"status": status}, content_type="application/merge-patch+json")
    assert patched.code == 200, patched.body


async def test_certificates_come_to_be_and_can_be_thrown_away_while_clients_go_on(site: Installation) -> None:
    async def is_served() -> bool:
        return (await site.admin.call("GET", machines().path)).code == 200

    await eventually(is_served)
    await make_a_node(site.masters)
    answer = await site.admin.call("POST", machines().path, machine("before", runStrategy="Always"))
    assert answer.code == 201, answer.body
    first, done = site.published.bundle, asyncio.Event()
    begin = {"resourceVersion": answer.body["metadata"]["resourceVersion"]}

    async def ask_all_the_time() -> set[int]:
        codes: set[int] = set()
        while not done.is_set():
            codes.add((await site.admin.call("GET", f"{machines().path}/before")).code)
        return codes

    async def throw_away_and_go_on() -> None:
        async with watching(site.admin, machines().path, **begin) as watch:
            for secret in (SERVER.authority, API.secret):
                assert (await site.masters.call("DELETE", f"{SECRETS}/{secret}")).code == 200
            await eventually(is_all_new)
            await site.admin.call("POST", machines().path, machine("after"))
            while (await watch.next())["object"]["metadata"]["name"] != "after":
                pass  # the controllers look after the first one

    async def is_placed() -> bool:
        instances = await site.admin.call("GET", INSTANCES)
        return [each["status"].get("nodeName") for each in instances.body["items"]] == ["one"]

    async def is_all_new() -> bool:
        return first not in site.published.bundle and site.published.bundle.count("BEGIN") == 1

    asking = asyncio.create_task(ask_all_the_time())
    try:
        await throw_away_and_go_on()
    finally:
        done.set()
        codes = await asking
    assert codes == {200}
    await eventually(is_placed)
