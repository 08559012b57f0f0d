"""Machines that name an instance type and a preference, with the controllers at work: revisions and instances."""

from typing import Any

import pytest

from tests.conformance.api import Api, Kind, connected
from tests.conformance.databases import sqlite_only
from tests.server import Server

database_url = sqlite_only

Object = dict[str, Any]
GROUP = "instancetype.kubevirt.io"
MACHINE = Kind("VirtualMachine", "kubevirt.io", "v1", "virtualmachines", "default")
INSTANCE = Kind("VirtualMachineInstance", "kubevirt.io", "v1", "virtualmachineinstances", "default")
REVISION = Kind("ControllerRevision", "apps", "v1", "controllerrevisions", "default")
SIZE = Kind("VirtualMachineInstancetype", GROUP, "v1beta1", "virtualmachineinstancetypes", "default")
PREFERENCE = Kind("VirtualMachineClusterPreference", GROUP, "v1beta1", "virtualmachineclusterpreferences")
QUOTA = Kind("ResourceQuota", "", "v1", "resourcequotas", "default")
EVENT = Kind("Event", "", "v1", "events", "default")
KUBEVIRT = Kind("KubeVirt", "kubevirt.io", "v1", "kubevirts", "default")
SMALL: Object = {"cpu": {"guest": 2}, "memory": {"guest": "128Mi"}}
NAMED: Object = {"name": "small", "kind": "VirtualMachineInstancetype"}

pytestmark = pytest.mark.usefixtures("controllers")


async def create(api: Api, kind: Kind, name: str, spec: Object) -> Object:
    answer = await api.call("POST", kind.path, {**kind.manifest(name), "spec": spec})
    assert answer.code == 201, answer.body
    return answer.body


def machine(strategy: str = "Always", **spec: Any) -> Object:
    template = {"spec": {"domain": {"devices": {}}, "volumes": [{"name": "scratch", "emptyDisk": {"capacity": "1Gi"}}]}}
    return {"runStrategy": strategy, "template": template, **spec}


async def restore(api: Api, name: str, spec: Object) -> None:
    """Create a revision of the instance type small as a backup has it, without an owner."""
    kept = {"apiVersion": f"{GROUP}/v1beta1", "kind": SIZE.kind, "metadata": {"name": "small"}, "spec": spec}
    answer = await api.call("POST", REVISION.path, {**REVISION.manifest(name), "data": kept, "revision": 0})
    assert answer.code == 201, answer.body


async def condition(api: Api, name: str, reason: str) -> Object:
    """Wait until a machine has a condition Failure with a reason, and return it."""

    def of(objects: dict[str, Object]) -> list[Object]:
        found = objects[name].get("status", {}).get("conditions", [])
        return [each for each in found if each["type"] == "Failure" and each["reason"] == reason]

    return of(await api.until(MACHINE, of))[0]


async def test_an_instance_is_made_of_both_and_says_so(api: Api) -> None:
    await create(api, SIZE, "small", SMALL)
    await create(api, PREFERENCE, "virtio", {"devices": {"preferredDiskBus": "virtio"}})
    await create(api, MACHINE, "vm", machine(instancetype=NAMED, preference={"name": "virtio"}))
    found = (await api.until(INSTANCE, lambda objects: "vm" in objects))["vm"]
    domain = found["spec"]["domain"]
    assert {name: domain["cpu"][name] for name in ("sockets", "cores", "threads")} == {
        "sockets": 2,
        "cores": 1,
        "threads": 1,
    }
    assert domain["memory"]["guest"] == "128Mi"
    assert domain["devices"]["disks"] == [{"name": "scratch", "disk": {"bus": "virtio"}}]
    annotations = found["metadata"]["annotations"]
    assert annotations["kubevirt.io/instancetype-name"] == "small"
    assert annotations["kubevirt.io/cluster-preference-name"] == "virtio"


async def test_a_machine_stays_what_it_was_when_its_instance_type_changes(api: Api) -> None:
    size = await create(api, SIZE, "small", SMALL)
    await create(api, MACHINE, "vm", machine("Halted", instancetype=NAMED))
    objects = await api.until(MACHINE, lambda found: "instancetypeRef" in found["vm"].get("status", {}))
    reference = objects["vm"]["status"]["instancetypeRef"]
    name = f"vm-small-v1beta1-{size['metadata']['uid']}-1"
    assert reference == {**NAMED, "controllerRevisionRef": {"name": name}}
    revision = await api.get(REVISION, name)
    assert revision is not None
    assert revision["data"]["spec"] == SMALL
    assert revision["metadata"]["labels"][f"{GROUP}/object-name"] == "small"
    assert revision["metadata"]["ownerReferences"][0]["name"] == "vm"
    await api.patch(SIZE, "small", {"spec": {"memory": {"guest": "256Mi"}}})
    await api.patch(MACHINE, "vm", {"spec": {"runStrategy": "Always"}})
    found = (await api.until(INSTANCE, lambda objects: "vm" in objects))["vm"]
    assert found["spec"]["domain"]["memory"]["guest"] == "128Mi"


async def test_another_instance_type_has_a_revision_of_its_own(api: Api) -> None:
    await create(api, SIZE, "small", SMALL)
    await create(api, SIZE, "large", {**SMALL, "memory": {"guest": "256Mi"}})
    await create(api, MACHINE, "vm", machine("Halted", instancetype=NAMED))
    await api.until(MACHINE, lambda found: "instancetypeRef" in found["vm"].get("status", {}))
    await api.patch(MACHINE, "vm", {"spec": {"instancetype": {"name": "large"}}})

    def renewed(found: dict[str, Object]) -> bool:
        reference = found["vm"]["status"]["instancetypeRef"]
        return reference["controllerRevisionRef"]["name"].startswith("vm-large-")

    await api.until(MACHINE, renewed)
    await api.patch(MACHINE, "vm", {"spec": {"instancetype": None}})
    await api.until(MACHINE, lambda found: "instancetypeRef" not in found["vm"]["status"])


@pytest.mark.parametrize("which", ["instancetype", "preference"])
async def test_a_machine_waits_for_what_is_still_missing(api: Api, which: str) -> None:
    kind, spec = {"instancetype": (SIZE, SMALL), "preference": (PREFERENCE, {})}[which]
    memory = {} if which == "instancetype" else {"memory": {"guest": "128Mi"}}
    wanted = machine(**{which: {"name": "late", "kind": kind.kind}})
    wanted["template"]["spec"]["domain"] |= memory
    await create(api, MACHINE, "vm", wanted)
    failure = await condition(api, "vm", f"FailedFind{which.capitalize()}")
    assert failure["message"] == f"{kind.kind} late does not exist; create it, or change spec.{which}"
    await create(api, kind, "late", spec)
    await api.until(INSTANCE, lambda objects: "vm" in objects)
    await api.until(MACHINE, lambda found: found["vm"]["status"].get("created"))


async def test_a_machine_waits_for_a_revision_that_is_restored_after_it(api: Api) -> None:
    await create(api, SIZE, "small", SMALL)
    await create(api, MACHINE, "vm", machine(instancetype=NAMED | {"revisionName": "late"}))
    await condition(api, "vm", "FailedFindInstancetype")
    await restore(api, "late", SMALL)
    await api.until(INSTANCE, lambda objects: "vm" in objects)


@pytest.mark.parametrize("data", [{}, {"spec": {"template": {}}}, {"spec": "cpu"}])
async def test_a_machine_that_names_a_revision_of_something_else_says_so(api: Api, data: Object) -> None:
    body = {**REVISION.manifest("other"), "data": data, "revision": 1}
    assert (await api.call("POST", REVISION.path, body)).code == 201
    await create(api, MACHINE, "vm", machine(instancetype=NAMED | {"revisionName": "other"}))
    failure = await condition(api, "vm", "FailedFindInstancetype")
    assert failure["message"].startswith("ControllerRevision other keeps no instancetype")


async def test_a_machine_goes_on_when_a_revision_that_was_in_its_way_is_deleted(api: Api) -> None:
    size = await create(api, SIZE, "small", SMALL)
    name = f"vm-small-v1beta1-{size['metadata']['uid']}-1"
    await restore(api, name, {**SMALL, "memory": {"guest": "256Mi"}})
    await create(api, MACHINE, "vm", machine(instancetype=NAMED))
    failure = await condition(api, "vm", "FailedCreate")
    assert failure["message"] == f"ControllerRevision {name} exists and says something else; delete it"
    # The status that it wrote has the controller look once more.
    await api.until(EVENT, lambda found: any(each.get("count", 1) > 1 for each in found.values()))
    assert (await api.delete(REVISION, name)).code == 200
    await api.until(INSTANCE, lambda objects: "vm" in objects)


async def test_an_instance_type_that_came_late_and_conflicts_is_told(api: Api) -> None:
    wanted = machine(instancetype={"name": "late", "kind": SIZE.kind})
    wanted["template"]["spec"]["domain"]["memory"] = {"guest": "64Mi"}
    await create(api, MACHINE, "vm", wanted)
    await condition(api, "vm", "FailedFindInstancetype")
    await create(api, SIZE, "late", SMALL)
    failure = await condition(api, "vm", "FailedCreate")
    assert failure["message"].endswith("in spec.domain.memory.guest")
    assert await api.get(INSTANCE, "vm") is None


async def limit_revisions(api: Api, most: str) -> None:
    body = {**QUOTA.manifest("revisions"), "spec": {"hard": {"count/controllerrevisions.apps": most}}}
    assert (await api.call("POST", QUOTA.path, body)).code == 201


async def test_a_machine_whose_revision_is_beyond_a_quota_says_so_and_starts_when_there_is_room(api: Api) -> None:
    await limit_revisions(api, "0")
    await create(api, SIZE, "small", SMALL)
    await create(api, MACHINE, "vm", machine(instancetype=NAMED))
    failure = await condition(api, "vm", "FailedCreate")
    assert "exceeded quota: revisions" in failure["message"]
    assert await api.get(INSTANCE, "vm") is None
    await api.delete(QUOTA, "revisions")
    await api.until(INSTANCE, lambda objects: "vm" in objects)


async def test_a_machine_whose_new_revision_is_beyond_a_quota_can_be_stopped(api: Api) -> None:
    await create(api, SIZE, "small", SMALL)
    await create(api, SIZE, "large", {**SMALL, "memory": {"guest": "256Mi"}})
    await create(api, MACHINE, "vm", machine(instancetype=NAMED))
    await api.until(INSTANCE, lambda objects: "vm" in objects)
    await limit_revisions(api, "1")
    await api.patch(MACHINE, "vm", {"spec": {"instancetype": {"name": "large"}, "runStrategy": "Halted"}})
    await api.until(INSTANCE, lambda objects: "vm" not in objects)


async def set_policy(api: Api, policy: str) -> None:
    said = {"configuration": {"instancetype": {"referencePolicy": policy}}}
    answer = await api.call("POST", KUBEVIRT.path, {**KUBEVIRT.manifest("kubevirt"), "spec": said})
    assert answer.code == 201, answer.body


def says_all(found: dict[str, Object]) -> bool:
    spec = found["vm"]["spec"]
    domain = spec["template"]["spec"]["domain"]
    return "instancetype" not in spec and "preference" not in spec and domain["memory"]["guest"] == "128Mi"


async def revisions(api: Api) -> list[str]:
    """Return the names of the revisions that there are."""
    return [each["metadata"]["name"] for each in (await api.call("GET", REVISION.path)).body["items"]]


async def test_under_the_policy_expand_a_machine_says_all_itself(api: Api) -> None:
    await set_policy(api, "expand")
    await create(api, SIZE, "small", SMALL)
    await create(api, PREFERENCE, "sata", {"devices": {"preferredDiskBus": "sata"}})
    await create(api, MACHINE, "vm", machine(instancetype=NAMED, preference={"name": "sata"}))
    found = (await api.until(MACHINE, says_all))["vm"]
    devices = found["spec"]["template"]["spec"]["domain"]["devices"]
    assert devices["disks"] == [{"name": "scratch", "disk": {"bus": "sata"}}]
    instance = (await api.until(INSTANCE, lambda objects: "vm" in objects))["vm"]
    assert instance["spec"]["domain"]["cpu"]["sockets"] == 2
    found = (await api.until(MACHINE, lambda found: found["vm"].get("status", {}).get("created")))["vm"]
    assert not {"instancetypeRef", "preferenceRef"} & found["status"].keys()
    assert await revisions(api) == []


async def test_under_the_policy_expand_a_machine_with_a_revision_keeps_it(api: Api) -> None:
    await create(api, SIZE, "small", SMALL)
    await create(api, MACHINE, "vm", machine("Halted", instancetype=NAMED))
    await api.until(MACHINE, lambda found: "instancetypeRef" in found["vm"].get("status", {}))
    await set_policy(api, "expand")
    await create(api, MACHINE, "other", machine("Halted", instancetype=NAMED))
    await api.until(MACHINE, lambda found: "instancetype" not in found["other"]["spec"])
    await api.patch(MACHINE, "vm", {"spec": {"runStrategy": "Always"}})
    await api.until(INSTANCE, lambda objects: "vm" in objects)
    found = await api.get(MACHINE, "vm")
    assert found is not None
    assert found["spec"]["instancetype"] == NAMED
    assert await revisions(api) == [found["status"]["instancetypeRef"]["controllerRevisionRef"]["name"]]


async def test_under_the_policy_expand_all_revisions_are_done_with(api: Api) -> None:
    await create(api, SIZE, "small", SMALL)
    await create(api, MACHINE, "vm", machine("Halted", instancetype=NAMED))
    await api.until(REVISION, lambda found: found)
    await api.until(MACHINE, lambda found: "instancetypeRef" in found["vm"].get("status", {}))
    await api.patch(SIZE, "small", {"spec": {"memory": {"guest": "256Mi"}}})
    await set_policy(api, "expandAll")
    await api.until(MACHINE, says_all)
    await api.until(REVISION, lambda found: not found)
    await api.until(MACHINE, lambda found: "instancetypeRef" not in found["vm"]["status"])


async def test_a_machine_that_cannot_be_expanded_says_why(api: Api) -> None:
    await set_policy(api, "expand")
    wanted = machine("Halted", instancetype={"name": "late", "kind": SIZE.kind})
    wanted["template"]["spec"]["domain"]["memory"] = {"guest": "64Mi"}
    await create(api, MACHINE, "vm", wanted)
    await condition(api, "vm", "FailedFindInstancetype")
    await create(api, SIZE, "late", SMALL)
    failure = await condition(api, "vm", "FailedCreate")
    assert "spec.template.spec.domain.memory.guest" in failure["message"]


async def test_a_revision_of_an_older_version_is_replaced_by_one_of_the_newest(api: Api, server: Server) -> None:
    await create(api, PREFERENCE, "old", {})
    wanted = machine("Halted", preference={"name": "old"})
    wanted["template"]["spec"]["domain"]["memory"] = {"guest": "64Mi"}
    await create(api, MACHINE, "vm", wanted)
    status = (await api.until(MACHINE, lambda found: "preferenceRef" in found["vm"].get("status", {})))["vm"]["status"]
    name = status["preferenceRef"]["controllerRevisionRef"]["name"]
    newest = await api.get(REVISION, name)
    assert newest is not None
    older = {
        **newest,
        "metadata": {each: newest["metadata"][each] for each in ("labels", "ownerReferences")} | {"name": "older"},
        "data": {
            **newest["data"],
            "apiVersion": f"{GROUP}/v1alpha2",
            "spec": {"cpu": {"preferredCPUTopology": "preferCores"}, "firmware": {"preferredUseEfi": True}},
        },
    }
    assert (await api.delete(REVISION, name)).code == 200
    assert (await api.call("POST", REVISION.path, older)).code == 201
    reference = {"name": "old", "controllerRevisionRef": {"name": "older"}}
    patch, media_type = {"status": {"preferenceRef": reference}}, "application/merge-patch+json"
    async with connected(server, "controllers") as session:
        answer = await Api(session).call("PATCH", f"{MACHINE.path}/vm/status", patch, content_type=media_type)
    assert answer.code == 200, answer.body
    found = await api.until(REVISION, lambda found: found.keys() == {name})
    assert found[name]["data"]["apiVersion"] == f"{GROUP}/v1beta1"
    assert found[name]["data"]["spec"] == {"cpu": {"preferredCPUTopology": "cores"}, "firmware": {"preferredEfi": {}}}
    kept = await api.get(MACHINE, "vm")
    assert kept is not None
    assert kept["status"]["preferenceRef"] == {"name": "old", "controllerRevisionRef": {"name": name}}
