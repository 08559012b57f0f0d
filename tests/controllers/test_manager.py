"""All controllers together, as API clients of a small real HTTP server that stands in for the API server."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from client.api import Client
from client.kinds import KUBEVIRT, NAMESPACE, NODE, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE
from controllers.manager import Options, run
from controllers.nodelifecycle import decide
from kube.instances import INSTANCE_FINALIZER
from kube.timestamps import to_micro_time, to_time, utc_now
from tests.client.standin import StandIn, failure, stand_in
from tests.controllers.objects import node


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[StandIn, Client, Path]]:
    async with stand_in(tmp_path) as (server, kubeconfig), Client.from_kubeconfig(kubeconfig, "tests") as client:
        yield server, client, kubeconfig


@pytest.fixture(params=[False, True], ids=["alone", "elected"])
async def cluster(
    served: tuple[StandIn, Client, Path], request: pytest.FixtureRequest
) -> AsyncIterator[tuple[StandIn, Client]]:
    server, client, kubeconfig = served
    await ready_node(server)
    stop = asyncio.Event()
    ready = asyncio.Event()
    running = asyncio.create_task(run(Options(kubeconfig=kubeconfig, leader_elect=request.param), stop, ready))
    async with asyncio.timeout(10):
        await ready.wait()
    yield server, client
    stop.set()
    async with asyncio.timeout(10):
        await running


async def ready_node(server: StandIn, *, renewed: str | None = None) -> None:
    spec = {"renewTime": renewed or to_micro_time(utc_now())}
    await server.put("leases", {"metadata": {"name": "a", "namespace": "kube-node-lease"}, "spec": spec})
    described = node()
    del described["metadata"]["uid"]
    await server.put("nodes", described)


def machine(strategy: str = "Always") -> dict[str, Any]:
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": "vm", "namespace": "default"},
        "spec": {"runStrategy": strategy, "template": {"spec": {"domain": {"memory": {"guest": "64Mi"}}}}},
    }


def vmi(server: StandIn) -> dict[str, Any]:
    return server.get("virtualmachineinstances", "vm") or {"metadata": {}}


def bound(server: StandIn) -> bool:
    return vmi(server).get("status", {}).get("nodeName") == "a"


def printable(server: StandIn) -> str:
    return (server.get("virtualmachines", "vm") or {}).get("status", {}).get("printableStatus", "")


async def report(client: Client, phase: str) -> None:
    """Say what a node agent would say."""
    status = (await client.get(VIRTUAL_MACHINE_INSTANCE, "vm", "default"))["status"]
    entered = {"phase": phase, "phaseTransitionTimestamp": to_time(utc_now())}
    new = {"phase": phase, "phaseTransitionTimestamps": [*status["phaseTransitionTimestamps"], entered]}
    await client.patch(VIRTUAL_MACHINE_INSTANCE, "vm", "default", {"status": new}, subresource="status")


async def test_a_machine_is_started_bound_and_deleted(cluster: tuple[StandIn, Client]) -> None:
    server, client = cluster
    await client.create(VIRTUAL_MACHINE, machine())
    await server.until(lambda: bound(server))
    assert vmi(server)["status"]["phase"] == "Scheduled"
    await report(client, "Running")
    await server.until(lambda: printable(server) == "Running")
    await server.until(lambda: any(each.get("reason") == "SuccessfulCreate" for each in server.objects.values()))
    await client.delete(VIRTUAL_MACHINE, "vm", "default")
    await server.until(lambda: "deletionTimestamp" in vmi(server)["metadata"])
    await report(client, "Succeeded")
    await server.until(lambda: server.get("virtualmachines", "vm") is None)
    assert server.get("virtualmachineinstances", "vm") is None


async def test_a_guest_that_ends_is_started_again(cluster: tuple[StandIn, Client]) -> None:
    server, client = cluster
    await client.create(VIRTUAL_MACHINE, machine())
    await server.until(lambda: bound(server))
    first = vmi(server)["metadata"]["uid"]
    await report(client, "Running")
    await server.until(lambda: printable(server) == "Running")
    await report(client, "Succeeded")
    await server.until(lambda: bound(server) and vmi(server)["metadata"]["uid"] != first)


async def test_a_refused_instance_is_told_and_tried_again(cluster: tuple[StandIn, Client]) -> None:
    server, client = cluster
    server.refuse["POST", "virtualmachineinstances"] = failure(422, "Invalid", "memory is impossible")
    await client.create(VIRTUAL_MACHINE, machine())
    await server.until(lambda: bound(server))
    told = [each["message"] for each in server.objects.values() if each.get("reason") == "FailedCreate"]
    assert told == ["memory is impossible"]


async def test_an_instance_without_room_says_so_and_is_bound_when_there_is(cluster: tuple[StandIn, Client]) -> None:
    server, client = cluster
    big = machine()
    big["spec"]["template"]["spec"]["domain"]["memory"]["guest"] = "4Gi"
    await client.create(VIRTUAL_MACHINE, big)
    await server.until(lambda: printable(server) == "ErrorUnschedulable")
    larger = node(memory="8Gi")
    del larger["metadata"]["uid"]
    await server.put("nodes", larger)
    await server.until(lambda: bound(server))
    assert vmi(server)["status"]["conditions"] == []


async def test_a_change_of_the_configuration_makes_room(cluster: tuple[StandIn, Client]) -> None:
    server, client = cluster
    big = machine()
    big["spec"]["template"]["spec"]["domain"]["memory"]["guest"] = "1200Mi"
    await client.create(VIRTUAL_MACHINE, big)
    await server.until(lambda: printable(server) == "ErrorUnschedulable")
    metadata = {"name": "kubevirt", "namespace": "virtplane"}
    configuration = {"developerConfiguration": {"memoryOvercommit": 150}}
    about = {"apiVersion": KUBEVIRT.api_version, "kind": KUBEVIRT.kind}
    await client.create(KUBEVIRT, {**about, "metadata": metadata, "spec": {"configuration": configuration}})
    await server.until(lambda: bound(server))


async def test_an_instance_deleted_before_it_was_bound_goes(cluster: tuple[StandIn, Client]) -> None:
    server, client = cluster
    alone = {
        "metadata": {"name": "vm", "namespace": "default", "finalizers": [INSTANCE_FINALIZER]},
        "spec": {"nodeSelector": {"no": "where"}, "domain": {}},
    }
    await client.create(VIRTUAL_MACHINE_INSTANCE, alone)
    await server.until(lambda: vmi(server).get("status", {}).get("conditions"))
    await client.delete(VIRTUAL_MACHINE_INSTANCE, "vm", "default")
    await server.until(lambda: server.get("virtualmachineinstances", "vm") is None)


async def test_what_lost_its_owner_is_collected(cluster: tuple[StandIn, Client]) -> None:
    server, _ = cluster
    owner = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": "vm", "uid": "gone"}
    foreign = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": "d"}
    for name, owners in (("orphan", [owner]), ("foreign", [owner, foreign])):
        metadata = {"name": name, "namespace": "default", "ownerReferences": owners}
        await server.put("configmaps", {"metadata": metadata})
    await server.until(lambda: server.get("configmaps", "orphan") is None)
    assert server.get("configmaps", "foreign") is not None


async def test_a_deleted_namespace_is_emptied_and_goes(cluster: tuple[StandIn, Client]) -> None:
    server, client = cluster
    await server.put("namespaces", {"metadata": {"name": "default"}, "spec": {"finalizers": ["kubernetes"]}})
    await server.put("secrets", {"metadata": {"name": "s", "namespace": "default"}})
    await client.delete(NAMESPACE, "default", None)
    await server.until(lambda: server.get("namespaces", "default", "") is None)
    assert server.get("secrets", "s") is None


async def test_a_lease_that_ran_out_while_no_controller_ran_is_not_held_against_its_node(
    served: tuple[StandIn, Client, Path],
) -> None:
    server, client, kubeconfig = served
    await ready_node(server, renewed="2026-01-01T00:00:00.000000Z")
    stop = asyncio.Event()
    running = asyncio.create_task(run(Options(kubeconfig=kubeconfig, leader_elect=False), stop))
    await client.create(VIRTUAL_MACHINE, machine())
    await server.until(lambda: bound(server))
    await report(client, "Running")
    await server.until(lambda: printable(server) == "Running")
    kept = server.get("nodes", "a", "")
    stop.set()
    await running
    assert kept is not None
    assert kept["metadata"]["labels"]["kubevirt.io/schedulable"] == "true"


async def test_a_lost_node_stays_lost_when_the_controllers_are_started_again(
    served: tuple[StandIn, Client, Path],
) -> None:
    server, client, kubeconfig = served
    await ready_node(server, renewed="2026-01-01T00:00:00.000000Z")
    marks = {"labels": {"kubevirt.io/schedulable": "false"}, "annotations": {decide.UNRESPONSIVE_ANNOTATION: "then"}}
    await client.patch(NODE, "a", None, {"metadata": marks})
    stop = asyncio.Event()
    running = asyncio.create_task(run(Options(kubeconfig=kubeconfig, leader_elect=False), stop))
    await client.create(VIRTUAL_MACHINE, machine())
    await server.until(lambda: printable(server) == "ErrorUnschedulable")
    kept = server.get("nodes", "a", "")
    stop.set()
    await running
    assert kept is not None
    assert kept["metadata"]["labels"]["kubevirt.io/schedulable"] == "false"


async def test_a_node_without_a_fresh_lease_is_lost_until_it_renews(
    cluster: tuple[StandIn, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = cluster
    await client.create(VIRTUAL_MACHINE, machine())
    await server.until(lambda: bound(server))
    await report(client, "Running")
    monkeypatch.setattr(decide, "GRACE", timedelta(seconds=0.1))
    await ready_node(server)

    def reasons() -> list[str]:
        return [each.get("reason", "") for each in vmi(server)["status"].get("conditions", ())]

    await server.until(lambda: reasons() == ["NodeUnresponsive"])
    lost = server.get("nodes", "a", "")
    assert lost is not None
    assert lost["metadata"]["labels"]["kubevirt.io/schedulable"] == "false"
    assert vmi(server)["status"]["phase"] == "Running"
    monkeypatch.undo()
    spec = {"renewTime": to_micro_time(utc_now())}
    await server.put("leases", {"metadata": {"name": "a", "namespace": "kube-node-lease"}, "spec": spec})
    await server.until(lambda: reasons() == [""])
    found = server.get("nodes", "a", "")
    assert found is not None
    assert found["metadata"]["labels"]["kubevirt.io/schedulable"] == "true"
