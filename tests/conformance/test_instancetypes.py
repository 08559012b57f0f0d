"""Machines that name an instance type and a preference, with the controllers at work: revisions and instances."""

from pathlib import Path
from typing import Any

import pytest

from tests.conformance.api import Api, Kind
from tests.server import prepare

Object = dict[str, Any]
GROUP = "instancetype.kubevirt.io"
MACHINE = Kind("VirtualMachine", "kubevirt.io", "v1", "virtualmachines", "default")
INSTANCE = Kind("VirtualMachineInstance", "kubevirt.io", "v1", "virtualmachineinstances", "default")
REVISION = Kind("ControllerRevision", "apps", "v1", "controllerrevisions", "default")
SIZE = Kind("VirtualMachineInstancetype", GROUP, "v1beta1", "virtualmachineinstancetypes", "default")
PREFERENCE = Kind("VirtualMachineClusterPreference", GROUP, "v1beta1", "virtualmachineclusterpreferences")
SMALL: Object = {"cpu": {"guest": 2}, "memory": {"guest": "128Mi"}}
NAMED: Object = {"name": "small", "kind": "VirtualMachineInstancetype"}

pytestmark = pytest.mark.usefixtures("controllers")


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """None of this is about storage."""
    prepare(tmp_path)
    return f"sqlite:///{tmp_path}/log.db"


async def create(api: Api, kind: Kind, name: str, spec: Object) -> Object:
    answer = await api.call("POST", kind.path, {**kind.manifest(name), "spec": spec})
    assert answer.code == 201, answer.body
    return answer.body


def machine(strategy: str = "Always", **spec: Any) -> Object:
    template = {"spec": {"domain": {"devices": {}}, "volumes": [{"name": "scratch", "emptyDisk": {"capacity": "1Gi"}}]}}
    return {"runStrategy": strategy, "template": template, **spec}


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


async def test_an_instance_type_that_came_late_and_conflicts_is_told(api: Api) -> None:
    wanted = machine(instancetype={"name": "late", "kind": SIZE.kind})
    wanted["template"]["spec"]["domain"]["memory"] = {"guest": "64Mi"}
    await create(api, MACHINE, "vm", wanted)
    await condition(api, "vm", "FailedFindInstancetype")
    await create(api, SIZE, "late", SMALL)
    failure = await condition(api, "vm", "FailedCreate")
    assert failure["message"].endswith("in spec.domain.memory.guest")
    assert await api.get(INSTANCE, "vm") is None
