"""From an empty cluster to a scheduled machine: the manifests, the server and the controllers, and nothing else.

The cluster is the stand-in of ``tests/kubernetes.py`` behind that of ``tests/aggregator.py``, which trusts the server
by the APIService. Server and controllers run here as their pods would, with the tokens of their ServiceAccounts.
"""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from certs.names import service_names
from certs.objects import NAMESPACE
from certs.purposes import CLIENTS
from client.api import Client
from client.informer import Informer
from client.kinds import CLUSTER_ROLE, NODE, ROLE_BINDING, SERVICE_ACCOUNT, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE
from controllers.manager import Options, run
from kube.instances import node_of
from tests.aggregation.conftest import context_of, trust
from tests.aggregator import Aggregator, Backend, FrontProxy
from tests.conformance.api import SECONDS, Api, Kind, connected
from tests.deploy.accounts import token
from tests.kubernetes import Machinery, catalogue, running_cluster
from tests.server import Server
from virtplane.install import Wanted, install
from virtplane.membercertificates import SERVICE
from virtplane.server import serve
from virtplane.settings import Settings

API_SERVICES = Kind("APIService", "apiregistration.k8s.io", "v1", "apiservices")
MACHINE: dict[str, Any] = {
    "metadata": {"name": "vm", "namespace": "default"},
    "spec": {"runStrategy": "Always", "template": {"spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}}}},
}
DELEGATOR = {
    "metadata": {"name": "system:auth-delegator"},
    "rules": [
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
        {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
    ],
}
"""A role that kube-apiserver makes."""


@dataclass
class World:
    """A cluster, and what its administrator can do with it."""

    directory: Path
    cluster: Server
    proxy: FrontProxy
    aggregator: Aggregator
    api: Api
    client: Client

    async def kubeconfig(self, account: str, namespace: str = NAMESPACE) -> Path:
        """Return a pod's way to kube-apiserver."""
        config = yaml.safe_load(self.cluster.kubeconfig("admin").read_text())
        authority = base64.b64encode(self.aggregator.authority.read_bytes()).decode()
        config["clusters"][0]["cluster"] = {"server": self.aggregator.url, "certificate-authority-data": authority}
        config["users"][0]["user"] = {"token": await token(self.api, account, namespace)}
        path = self.directory / f"{account}.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    async def aggregate(self, port: int) -> None:
        """Lead KubeVirt's groups to the server, once the APIServices say by whom it is known."""
        found = await self.api.until(
            API_SERVICES, lambda found: all(each["spec"].get("caBundle") for each in found.values())
        )
        bundle = self.directory / "bundle.crt"
        bundle.write_bytes(base64.b64decode(found["v1.kubevirt.io"]["spec"]["caBundle"]))
        name = service_names(SERVICE, NAMESPACE)[0]
        self.aggregator.aggregated = Backend(port, self.proxy.context(bundle), name)


@asynccontextmanager
async def a_world(directory: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        schemas = catalogue(directory / "schemas")
        cluster = await stack.enter_async_context(running_cluster(directory / "cluster", schemas))
        client = await stack.enter_async_context(Client.from_kubeconfig(cluster.kubeconfig("admin"), "virtplane"))
        api = Api(await stack.enter_async_context(connected(cluster)))
        proxy = FrontProxy(directory / "front-proxy")
        await trust(api, cluster, proxy)
        await client.create(CLUSTER_ROLE, DELEGATOR)
        backend, nobody = Backend(cluster.port, context_of(cluster)), Backend(0, context_of(cluster))
        aggregator = Aggregator(
            backend, nobody, cluster.pki.bundle(CLIENTS), directory, cluster_authority=str(cluster.pki.authority)
        )
        await stack.enter_async_context(aggregator.running())
        machinery = asyncio.create_task(Machinery(client).run())
        try:
            yield World(directory, cluster, proxy, aggregator, api, client)
        finally:
            machinery.cancel()
            await asyncio.gather(machinery, return_exceptions=True)


@asynccontextmanager
async def pods(world: World, port: int) -> AsyncIterator[asyncio.Event]:
    """Run the server and the controllers; yields what tells that the server is ready."""
    settings = Settings(
        home=str(world.directory / "home"),
        port=port,
        node_name="virtplane-api-0",
        kubeconfig=str(await world.kubeconfig("virtplane-api")),
    )
    controllers = Options(
        kubeconfig=await world.kubeconfig("virtplane-controllers"),
        leader_elect=True,
        namespace=NAMESPACE,
        core_controllers=False,
    )
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.gather(serve(settings, stop, ready), run(controllers, stop))
    try:
        yield ready
    finally:
        stop.set()
        async with asyncio.timeout(SECONDS):
            await running


async def an_owner(world: World) -> Path:
    """Return the kubeconfig of somebody who may have machines, by a role of the manifests."""
    await world.client.create(SERVICE_ACCOUNT, {"metadata": {"name": "owner", "namespace": "default"}})
    binding = {
        "metadata": {"name": "owner", "namespace": "default"},
        "roleRef": {"apiGroup": ROLE_BINDING.group, "kind": "ClusterRole", "name": "kubevirt.io:edit"},
        "subjects": [{"kind": "ServiceAccount", "name": "owner", "namespace": "default"}],
    }
    await world.client.create(ROLE_BINDING, binding)
    return await world.kubeconfig("owner", "default")


async def a_node(client: Client) -> None:
    """Make a Node as its kubelet has it, to which an agent has come."""
    status = {
        "allocatable": {"cpu": "8", "memory": "8Gi", "pods": "110"},
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    await client.create(NODE, {"metadata": {"name": "one", "labels": {"kubevirt.io/schedulable": "true"}}})
    await client.patch(NODE, "one", None, {"status": status}, subresource="status")


async def test_a_machine_is_scheduled_in_a_cluster_that_had_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The controllers look for machines before there is anybody to ask.
    monkeypatch.setattr("client.informer.LONGEST_BACKOFF_SECONDS", 0.5)
    monkeypatch.setattr("controllers.certificates.aggregation.SETTLING", timedelta(0))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with a_world(tmp_path) as world:
        await install(world.client, Wanted(), lambda _: None)
        await a_node(world.client)
        async with pods(world, port) as ready:
            await world.aggregate(port)
            async with asyncio.timeout(SECONDS):
                await ready.wait()
            async with Client.from_kubeconfig(await an_owner(world), "tests") as owner:
                await owner.create(VIRTUAL_MACHINE, MACHINE)
                instances = Informer(owner, VIRTUAL_MACHINE_INSTANCE, namespace="default")
                placed = asyncio.Event()
                instances.add_handler(lambda _, new: placed.set() if new and node_of(new) == "one" else None)
                watching = asyncio.create_task(instances.run())
                async with asyncio.timeout(SECONDS):
                    await placed.wait()
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
