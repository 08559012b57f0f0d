"""Owners, dependents and namespaces, with the real server and the real controllers together."""

from typing import Any

import pytest

from tests.conformance.api import CONFIG_MAP, NAMESPACE, NODE, Api, Kind, Object

pytestmark = pytest.mark.usefixtures("controllers")

HELD = ["test.example/held"]
SECRET = Kind("Secret", "", "v1", "secrets", "default")
MACHINE = Kind("VirtualMachine", "kubevirt.io", "v1", "virtualmachines", "default")
INSTANCE = Kind("VirtualMachineInstance", "kubevirt.io", "v1", "virtualmachineinstances", "default")
EVENT = Kind("Event", "", "v1", "events", "default")
TEMPLATE = {"spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}}}


def owner(obj: Object, **more: Any) -> Object:
    """Return a reference to an owner."""
    metadata = obj["metadata"]
    named = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": metadata["name"], "uid": metadata["uid"]}
    return named | more


def policy(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": name}


async def settled(api: Api, kind: Kind = CONFIG_MAP) -> None:
    """Wait until the garbage collector has judged everything that was there before."""
    absent = {"apiVersion": "v1", "kind": "ConfigMap", "name": "never-was", "uid": "never-was"}
    await api.create(kind, "sentinel", ownerReferences=[absent])
    await api.until(kind, lambda found: "sentinel" not in found)


async def test_dependents_follow_their_owner_in_the_background(api: Api, kind: Kind) -> None:
    above = await api.create(kind, "owner")
    for each in (CONFIG_MAP, SECRET):
        await api.create(each, "dependent", ownerReferences=[owner(above)])
    second = await api.get(SECRET, "dependent")
    assert second is not None
    await api.create(CONFIG_MAP, "grandchild", ownerReferences=[owner(second)])
    assert (await api.delete(kind, "owner")).body["kind"] == "Status"
    await api.until(CONFIG_MAP, lambda found: not {"dependent", "grandchild"} & found.keys())
    await api.until(SECRET, lambda found: "dependent" not in found)


async def test_orphans_stay_and_lose_their_owner(api: Api, kind: Kind) -> None:
    above, other = await api.create(kind, "owner"), await api.create(SECRET, "other")
    for number in range(40):
        await api.create(CONFIG_MAP, f"only-{number}", ownerReferences=[owner(above)])
    await api.create(CONFIG_MAP, "shared", ownerReferences=[owner(above), owner(other)])
    answer = await api.delete(kind, "owner", policy("Orphan"))
    assert answer.body["metadata"]["finalizers"] == ["orphan"]
    await api.until(kind, lambda found: "owner" not in found)
    await settled(api)
    listed = (await api.call("GET", CONFIG_MAP.path)).body["items"]
    owners = {each["metadata"]["name"]: each["metadata"].get("ownerReferences") for each in listed}
    assert [owners[f"only-{number}"] for number in range(40)] == [None] * 40
    assert owners["shared"] == [owner(other)]


async def test_in_the_foreground_an_owner_waits_for_the_dependents_that_block_it(api: Api, kind: Kind) -> None:
    above = await api.create(kind, "owner")
    blocking = [owner(above, blockOwnerDeletion=True)]
    await api.create(CONFIG_MAP, "blocks", ownerReferences=blocking, finalizers=HELD)
    await api.create(SECRET, "does-not", ownerReferences=[owner(above)], finalizers=HELD)
    answer = await api.delete(kind, "owner", policy("Foreground"))
    assert answer.body["metadata"]["finalizers"] == ["foregroundDeletion"]
    await api.until(CONFIG_MAP, lambda found: "deletionTimestamp" in found["blocks"]["metadata"])
    await api.until(SECRET, lambda found: "deletionTimestamp" in found["does-not"]["metadata"])
    assert await api.get(kind, "owner") is not None
    await api.patch(CONFIG_MAP, "blocks", {"metadata": {"finalizers": None}})
    await api.until(kind, lambda found: "owner" not in found)
    assert await api.get(SECRET, "does-not") is not None


async def test_a_dependent_that_no_longer_blocks_lets_its_owner_go(api: Api, kind: Kind) -> None:
    above = await api.create(kind, "owner")
    await api.create(CONFIG_MAP, "d", ownerReferences=[owner(above, blockOwnerDeletion=True)], finalizers=HELD)
    await api.delete(kind, "owner", policy("Foreground"))
    await api.until(CONFIG_MAP, lambda found: "deletionTimestamp" in found["d"]["metadata"])
    await api.patch(CONFIG_MAP, "d", {"metadata": {"ownerReferences": [owner(above, blockOwnerDeletion=False)]}})
    await api.until(kind, lambda found: "owner" not in found)


async def test_the_foreground_goes_down_to_the_last_descendant(api: Api, kind: Kind) -> None:
    above = await api.create(kind, "owner")
    child = await api.create(SECRET, "child", ownerReferences=[owner(above, blockOwnerDeletion=True)])
    await api.create(CONFIG_MAP, "grandchild", ownerReferences=[owner(child, blockOwnerDeletion=True)], finalizers=HELD)
    await api.delete(kind, "owner", policy("Foreground"))
    await api.until(CONFIG_MAP, lambda found: "deletionTimestamp" in found["grandchild"]["metadata"])
    waiting = await api.get(SECRET, "child")
    assert waiting is not None
    assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]
    await api.patch(CONFIG_MAP, "grandchild", {"metadata": {"finalizers": None}})
    await api.until(kind, lambda found: "owner" not in found)
    assert await api.get(SECRET, "child") is None


async def test_with_another_owner_a_dependent_stays_and_loses_the_one_that_goes(api: Api, kind: Kind) -> None:
    above, other = await api.create(kind, "owner"), await api.create(SECRET, "other")
    both = [owner(above, blockOwnerDeletion=True), owner(other)]
    await api.create(CONFIG_MAP, "dependent", ownerReferences=both)
    await api.delete(kind, "owner", policy("Foreground"))
    await api.until(kind, lambda found: "owner" not in found)
    left = await api.get(CONFIG_MAP, "dependent")
    assert left is not None
    assert left["metadata"]["ownerReferences"] == [owner(other)]


async def test_owners_that_own_each_other_go_together(api: Api) -> None:
    one = await api.create(CONFIG_MAP, "one")
    two = await api.create(SECRET, "two", ownerReferences=[owner(one, blockOwnerDeletion=True)])
    await api.patch(CONFIG_MAP, "one", {"metadata": {"ownerReferences": [owner(two, blockOwnerDeletion=True)]}})
    await settled(api)
    assert await api.get(SECRET, "two") is not None
    await api.delete(CONFIG_MAP, "one", policy("Foreground"))
    await api.until(CONFIG_MAP, lambda found: "one" not in found)
    await api.until(SECRET, lambda found: "two" not in found)


async def test_what_has_no_owner_but_absent_ones_is_deleted(api: Api, kind: Kind) -> None:
    above = await api.create(kind, "owner")
    wrong = {
        "no-such-name": owner(above) | {"name": "other"},
        "another-uid": owner(above) | {"uid": "other"},
        "another-kind": owner(above) | {"kind": "Secret"},
    }
    for name, reference in wrong.items():
        await api.create(CONFIG_MAP, name, ownerReferences=[reference])
    await api.create(CONFIG_MAP, "right", ownerReferences=[owner(above)])
    await api.until(CONFIG_MAP, lambda found: not wrong.keys() & found.keys())
    assert await api.get(CONFIG_MAP, "right") is not None


async def test_an_absent_owner_is_taken_off_a_dependent_that_has_another(api: Api, kind: Kind) -> None:
    above = await api.create(kind, "owner")
    absent = {"apiVersion": "v1", "kind": "Secret", "name": "absent", "uid": "absent"}
    await api.create(CONFIG_MAP, "dependent", ownerReferences=[absent, owner(above)])
    await api.until(CONFIG_MAP, lambda found: found["dependent"]["metadata"]["ownerReferences"] == [owner(above)])


async def test_an_owner_of_a_kind_that_nobody_serves_is_left_to_others(api: Api) -> None:
    foreign = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": "d"}
    unserved = {"apiVersion": "kubevirt.io/v2", "kind": "VirtualMachine", "name": "d", "uid": "d"}
    await api.create(CONFIG_MAP, "foreign", ownerReferences=[foreign])
    await api.create(CONFIG_MAP, "unserved", ownerReferences=[unserved])
    namespaced = {"apiVersion": "v1", "kind": "ConfigMap", "name": "d", "uid": "d"}
    await api.create(NODE, "cluster-scoped", ownerReferences=[namespaced])
    await settled(api)
    assert await api.get(CONFIG_MAP, "foreign") is not None
    assert await api.get(CONFIG_MAP, "unserved") is not None
    assert await api.get(NODE, "cluster-scoped") is not None


async def test_an_owner_can_be_named_in_any_served_version(api: Api) -> None:
    manifest = MACHINE.manifest("vm") | {"spec": {"runStrategy": "Halted", "template": TEMPLATE}}
    created = (await api.call("POST", MACHINE.path, manifest)).body
    older = owner(created) | {"apiVersion": "kubevirt.io/v1alpha3"}
    await api.create(CONFIG_MAP, "dependent", ownerReferences=[older])
    await settled(api)
    assert await api.get(CONFIG_MAP, "dependent") is not None
    await api.delete(MACHINE, "vm")
    await api.until(CONFIG_MAP, lambda found: "dependent" not in found)


async def test_an_owner_in_another_namespace_is_none_and_people_are_told(api: Api) -> None:
    await api.create(NAMESPACE, "other")
    elsewhere = Kind("ConfigMap", "", "v1", "configmaps", "other")
    above = await api.create(elsewhere, "owner")
    await api.create(CONFIG_MAP, "dependent", ownerReferences=[owner(above)])
    await api.until(CONFIG_MAP, lambda found: "dependent" not in found)
    told = await api.until(
        EVENT, lambda found: any(each["reason"] == "OwnerRefInvalidNamespace" for each in found.values())
    )
    [event] = [each for each in told.values() if each["reason"] == "OwnerRefInvalidNamespace"]
    assert event["involvedObject"]["name"] == "dependent"
    assert event["type"] == "Warning"


async def test_a_dependent_that_is_to_orphan_its_own_does_so_when_collected(api: Api, kind: Kind) -> None:
    above = await api.create(kind, "owner")
    child = await api.create(SECRET, "child", ownerReferences=[owner(above)], finalizers=["orphan"])
    await api.create(CONFIG_MAP, "grandchild", ownerReferences=[owner(child)])
    await api.delete(kind, "owner")
    await api.until(SECRET, lambda found: "child" not in found)
    await settled(api)
    left = await api.get(CONFIG_MAP, "grandchild")
    assert left is not None
    assert "ownerReferences" not in left["metadata"]


async def test_a_deleted_namespace_loses_everything_of_every_kind(api: Api) -> None:
    await api.create(NAMESPACE, "room")
    found = (await api.call("GET", "/api/v1")).body["resources"]
    assert {"configmaps", "secrets", "events"} <= {each["name"] for each in found}
    for kind in (CONFIG_MAP, SECRET, Kind("Lease", "coordination.k8s.io", "v1", "leases", "default")):
        inside = Kind(kind.kind, kind.group, kind.version, kind.plural, "room")
        await api.create(inside, "one")
    await api.delete(NAMESPACE, "room")
    await api.until(NAMESPACE, lambda found: "room" not in found)
    for kind in (CONFIG_MAP, SECRET):
        inside = Kind(kind.kind, kind.group, kind.version, kind.plural, "room")
        assert (await api.call("GET", inside.path)).body["items"] == []


async def test_a_stuck_namespace_says_why_and_goes_once_nothing_holds_it(api: Api) -> None:
    await api.create(NAMESPACE, "room")
    inside = Kind("ConfigMap", "", "v1", "configmaps", "room")
    for name in ("one", "two"):
        await api.create(inside, name, finalizers=HELD)
    await api.delete(NAMESPACE, "room")

    def conditions(found: dict[str, Object]) -> dict[str, Object]:
        return {each["type"]: each for each in found["room"]["status"].get("conditions", ())}

    told = conditions(await api.until(NAMESPACE, conditions))
    assert {name: each["status"] for name, each in told.items()} == {
        "NamespaceDeletionDiscoveryFailure": "False",
        "NamespaceDeletionGroupVersionParsingFailure": "False",
        "NamespaceDeletionContentFailure": "False",
        "NamespaceContentRemaining": "True",
        "NamespaceFinalizersRemaining": "True",
    }
    content, finalizers = told["NamespaceContentRemaining"], told["NamespaceFinalizersRemaining"]
    assert content["message"] == "Some resources are remaining: configmaps. has 2 resource instances"
    assert finalizers["message"] == (
        "Some content in the namespace has finalizers remaining: test.example/held in 2 resource instances"
    )
    for name in ("one", "two"):
        await api.patch(inside, name, {"metadata": {"finalizers": None}})
    await api.until(NAMESPACE, lambda found: "room" not in found)


async def test_a_namespace_keeps_what_a_guest_needs_until_the_guest_has_gone(api: Api) -> None:
    await api.create(NAMESPACE, "room")
    machines, instances, secrets = (
        Kind(kind.kind, kind.group, kind.version, kind.plural, "room") for kind in (MACHINE, INSTANCE, SECRET)
    )
    await api.create(secrets, "needed")
    manifest = machines.manifest("vm") | {"spec": {"runStrategy": "Always", "template": TEMPLATE}}
    assert (await api.call("POST", machines.path, manifest)).code == 201
    created = (await api.until(instances, lambda found: found.get("vm")))["vm"]
    # The guest runs on a node whose agent takes its time.
    await api.patch(instances, "vm", {"metadata": {"finalizers": [*created["metadata"]["finalizers"], *HELD]}})
    await api.delete(NAMESPACE, "room")
    await api.until(instances, lambda found: "deletionTimestamp" in found["vm"]["metadata"])
    await api.until(NAMESPACE, lambda found: found["room"]["status"].get("conditions"))
    assert await api.get(secrets, "needed") is not None
    await api.patch(instances, "vm", {"metadata": {"finalizers": None}})
    await api.until(NAMESPACE, lambda found: "room" not in found)
    assert (await api.call("GET", secrets.path)).body["items"] == []


async def running_machine(api: Api) -> None:
    """Create a machine that has an instance."""
    manifest = MACHINE.manifest("vm") | {"spec": {"runStrategy": "Always", "template": TEMPLATE}}
    assert (await api.call("POST", MACHINE.path, manifest)).code == 201
    await api.until(INSTANCE, lambda found: "vm" in found)
    await api.until(MACHINE, lambda found: found["vm"]["metadata"].get("finalizers"))


async def test_a_machine_deleted_in_the_foreground_goes_after_its_instance(api: Api) -> None:
    await running_machine(api)
    await api.delete(MACHINE, "vm", policy("Foreground"))
    await api.until(MACHINE, lambda found: "vm" not in found)
    assert await api.get(INSTANCE, "vm") is None


async def test_an_orphaned_guest_runs_on(api: Api) -> None:
    await running_machine(api)
    await api.delete(MACHINE, "vm", policy("Orphan"))
    await api.until(MACHINE, lambda found: "vm" not in found)
    await settled(api)
    left = await api.get(INSTANCE, "vm")
    assert left is not None
    assert "deletionTimestamp" not in left["metadata"]
    assert "ownerReferences" not in left["metadata"]
