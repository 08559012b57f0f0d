"""What the cluster keeps for all counts for machines, too: namespaces, limits, priorities and claims."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from apiserver.registry.clusterobjects import ClusterObjects
from client.api import Client
from tests.aggregation.conftest import World, eventually
from tests.aggregation.machines import machine, machines
from tests.conformance.api import NAMESPACE, Answer, Kind
from tests.working import working_controllers

pytestmark = pytest.mark.asyncio(loop_scope="session")
LIMIT_RANGE = Kind("LimitRange", "", "v1", "limitranges", "default")
CLAIM = Kind("PersistentVolumeClaim", "", "v1", "persistentvolumeclaims", "default")
INSTANCE = Kind("VirtualMachineInstance", "kubevirt.io", "v1", "virtualmachineinstances", "default")
QUOTA = Kind("ResourceQuota", "", "v1", "resourcequotas", "default")
CONFIG_MAP = Kind("ConfigMap", "", "v1", "configmaps", "default")
SIZE = "VirtualMachineInstancetype"


async def make(world: World, kind: Kind, body: dict[str, Any]) -> Answer:
    return await world.admin.call("POST", kind.path, body)


def instance(name: str, **spec: Any) -> dict[str, Any]:
    domain = {"devices": {}, "memory": {"guest": "64Mi"}}
    return INSTANCE.manifest(name) | {"spec": {"domain": domain, **spec}}


async def test_a_namespace_takes_machines_as_soon_as_it_is_there(world: World) -> None:
    for n in range(5):
        name = f"new-{n}"
        assert (await make(world, machines(name), machine("one", name))).code == 404
        await world.admin.create(NAMESPACE, name)
        assert (await make(world, machines(name), machine("one", name))).code == 201


async def test_what_no_watch_has_told_of_yet_is_asked_for(world: World) -> None:
    async with Client.from_kubeconfig(world.cluster.kubeconfig("admin"), "tests") as client:
        objects = ClusterObjects(client, importer=False)  # which nobody runs
        found = await objects.look_up("namespaces", "", "default")
        assert found
        assert found["metadata"]["name"] == "default"
        assert await objects.look_up("namespaces", "", "absent") is None


async def test_a_namespace_on_its_way_out_takes_no_more(world: World) -> None:
    await world.admin.create(NAMESPACE, "leaving")
    assert (await make(world, machines("leaving"), machine("before", "leaving"))).code == 201
    assert (await world.admin.delete(NAMESPACE, "leaving")).code in {200, 202}
    refused: list[Answer] = []

    async def refuses() -> bool:
        refused.append(await make(world, machines("leaving"), machine(f"late-{len(refused)}", "leaving")))
        return refused[-1].code == 403

    await eventually(refuses)
    assert refused[-1].body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    changed = await world.admin.patch(machines("leaving"), "before", {"metadata": {"labels": {"still": "there"}}})
    assert changed["metadata"]["labels"] == {"still": "there"}


async def test_with_its_namespace_go_the_machines_of_it(world: World) -> None:
    await world.admin.create(NAMESPACE, "gone")
    held = machine("held", "gone")
    assert (await make(world, machines("gone"), held)).code == 201
    await world.admin.delete(NAMESPACE, "gone")
    # They look after the cluster as its own controllers do, through discovery and the aggregator.
    async with working_controllers(world.directory / "admin.kubeconfig"):
        await world.admin.until(NAMESPACE, lambda found: "gone" not in found)
        assert (await world.admin.call("GET", machines("gone").path)).body["items"] == []


async def test_limits_of_a_namespace_hold_for_guests(world: World) -> None:
    await world.admin.create(NAMESPACE, "small")
    limits, instances = replace(LIMIT_RANGE, namespace="small"), replace(INSTANCE, namespace="small")
    spec = {"limits": [{"type": "Container", "max": {"memory": "32Mi"}}]}
    assert (await make(world, limits, limits.manifest("small") | {"spec": spec})).code == 201
    refused: list[Answer] = []

    async def refuses() -> bool:
        refused.append(await make(world, instances, instance(f"big-{len(refused)}")))
        return refused[-1].code == 403

    await eventually(refuses)
    assert "maximum memory usage per Container is 32Mi" in refused[-1].body["message"]


async def test_a_quota_counts_guests_beside_what_the_cluster_counts(world: World) -> None:
    await world.admin.create(NAMESPACE, "limited")
    quota, instances = replace(QUOTA, namespace="limited"), replace(INSTANCE, namespace="limited")
    hard = {"memory": "256Mi", "count/virtualmachines.kubevirt.io": "1"}
    assert (await make(world, quota, quota.manifest("both") | {"spec": {"hard": hard}})).code == 201
    # What pods use, as the cluster's own controller says.
    status = {"status": {"hard": hard, "used": {"memory": "64Mi", "count/virtualmachines.kubevirt.io": "0"}}}
    patch = "application/merge-patch+json"
    assert (await world.admin.call("PATCH", f"{quota.path}/both/status", status, content_type=patch)).code == 200

    async def is_known() -> bool:
        return (await make(world, machines("limited"), machine("one", "limited"))).code == 403

    await make(world, machines("limited"), machine("first", "limited"))
    await eventually(is_known)
    answers = await asyncio.gather(*(make(world, instances, instance(f"guest-{n}")) for n in range(6)))
    refused = [each.body["message"] for each in answers if each.code == 403]
    assert [each.code for each in answers].count(201) == 3
    told = "exceeded quota: both, requested: memory=64Mi, used: memory=256Mi, limited: memory=256Mi"
    assert len(refused) == 3
    assert all(told in each for each in refused)


async def test_a_guest_names_a_priority_that_the_cluster_knows(world: World) -> None:
    refused = await make(world, INSTANCE, instance("urgent", priorityClassName="unheard-of"))
    assert (refused.code, "no PriorityClass with name unheard-of" in refused.body["message"]) == (403, True)
    answer = await make(world, INSTANCE, instance("critical", priorityClassName="system-node-critical"))
    assert answer.code == 201, answer.body


async def test_an_instance_type_is_inferred_from_a_claim_of_the_cluster(world: World) -> None:
    size = Kind(SIZE, "instancetype.kubevirt.io", "v1beta1", f"{SIZE.lower()}s", "default")
    small = size.manifest("small") | {"spec": {"cpu": {"guest": 1}, "memory": {"guest": "64Mi"}}}
    assert (await make(world, size, small)).code == 201
    labels = {"instancetype.kubevirt.io/default-instancetype": "small"}
    labels["instancetype.kubevirt.io/default-instancetype-kind"] = SIZE
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    assert (await make(world, CLAIM, CLAIM.manifest("disk", labels=labels) | {"spec": spec})).code == 201
    inferring = machine("inferring", instancetype={"inferFromVolume": "disk"})
    inferring["spec"]["template"]["spec"] = {
        "domain": {"devices": {}},
        "volumes": [{"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}],
    }
    made: list[Answer] = []

    async def is_made() -> bool:
        made.append(await make(world, machines(), inferring))
        return made[-1].code == 201

    await eventually(is_made)
    assert made[-1].body["spec"]["instancetype"] == {"name": "small", "kind": SIZE}


async def test_what_is_the_clusters_is_not_served_twice(world: World) -> None:
    for path in ("/api/v1", "/apis/rbac.authorization.k8s.io/v1", CONFIG_MAP.path, "/openid/v1/jwks"):
        assert (await world.aggregator.polled(path))[0] == 404, path
