"""A node whose agent is gone, where the Node is the agent's own and where it is a kubelet's; on a real server."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from client.api import Client
from client.configuration import LiveConfiguration
from client.events import EventRecorder
from client.informer import Informer
from client.kinds import KUBEVIRT, LEASE, NODE, VIRTUAL_MACHINE_INSTANCE
from controllers.context import Context
from controllers.nodelifecycle.controller import NodeLifecycleController
from controllers.scheduler.controller import BY_NODE
from kube.instances import node_of
from kube.nodes import SCHEDULABLE_LABEL
from tests.server import running_server

NAMESPACE = "virtplane"
READY = [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]


class Clock:
    now = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with (
        running_server(tmp_path) as server,
        Client.from_kubeconfig(server.kubeconfig("admin"), "tests") as opened,
    ):
        yield opened


@pytest.mark.parametrize(("kubelets", "ready"), [(True, "True"), (False, "Unknown")])
async def test_a_node_takes_no_more_instances_and_its_status_is_its_kubelets_to_say(
    client: Client, kubelets: bool, ready: str
) -> None:
    await client.create(NODE, {"metadata": {"name": "one", "labels": {SCHEDULABLE_LABEL: "true"}}})
    await client.patch(NODE, "one", None, {"status": {"conditions": READY}}, subresource="status")
    await client.create(LEASE, {"metadata": {"name": "one", "namespace": NAMESPACE}, "spec": {}})
    informers = {kind: Informer(client, kind) for kind in (NODE, LEASE, KUBEVIRT)}
    by_node = {BY_NODE: lambda instance: [node_of(instance)]}
    informers[VIRTUAL_MACHINE_INSTANCE] = Informer(client, VIRTUAL_MACHINE_INSTANCE, indexers=by_node)
    clock = Clock()
    context = Context(
        client=client,
        informers=informers,
        configuration=LiveConfiguration(informers[KUBEVIRT]),
        events=EventRecorder(client, "tests"),
        now=lambda: clock.now,
    )
    controller = NodeLifecycleController(context, lease_namespace=NAMESPACE, kubelets=kubelets)
    running = [asyncio.create_task(each.run()) for each in informers.values()]
    for each in informers.values():
        await each.synced.wait()
    assert await controller.reconcile("one") == 40
    clock.now += timedelta(seconds=41)
    assert await controller.reconcile("one") is None
    node = await client.get(NODE, "one")
    assert node["metadata"]["labels"][SCHEDULABLE_LABEL] == "false"
    assert [each["status"] for each in node["status"]["conditions"]] == [ready]
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)
