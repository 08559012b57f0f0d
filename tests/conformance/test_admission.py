"""What depends on the rest of the cluster: limit ranges, priority classes and default storage classes."""

from typing import Any

import pytest

from tests.conformance.api import Answer, Api, Kind, Object
from tests.conformance.databases import sqlite_only

database_url = sqlite_only

LIMITS = Kind("LimitRange", "", "v1", "limitranges", "default")
CLAIM = Kind("PersistentVolumeClaim", "", "v1", "persistentvolumeclaims", "default")
INSTANCE = Kind("VirtualMachineInstance", "kubevirt.io", "v1", "virtualmachineinstances", "default")
MACHINE = Kind("VirtualMachine", "kubevirt.io", "v1", "virtualmachines", "default")
PRIORITY_CLASS = Kind("PriorityClass", "scheduling.k8s.io", "v1", "priorityclasses")
STORAGE_CLASS = Kind("StorageClass", "storage.k8s.io", "v1", "storageclasses")
DEFAULT = {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}


async def post(api: Api, kind: Kind, name: str = "one", **content: Any) -> Answer:
    metadata = content.pop("metadata", {})
    return await api.call("POST", kind.path, {**kind.manifest(name, **metadata), **content})


async def limit(api: Api, type_: str = "Container", **limits: Any) -> Object:
    answer = await post(api, LIMITS, spec={"limits": [{"type": type_, **limits}]})
    assert answer.code == 201, answer.body
    assert "Warning" not in answer.headers
    return answer.body["spec"]["limits"][0]


def guest(memory: str = "1Gi", *, dedicated: bool = False, **more: Any) -> Object:
    cpu = {"cpu": {"cores": 1, "dedicatedCpuPlacement": True}} if dedicated else {}
    domain = {"memory": {"guest": memory}, "devices": {}, "resources": more.pop("resources", {}), **cpu}
    return {"domain": domain, **more}


def claim(size: str = "1Gi", **more: Any) -> Object:
    return {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **more}


async def test_what_a_container_gets_follows_from_its_bounds(api: Api) -> None:
    assert await limit(api, max={"cpu": "4", "memory": "8Gi"}, default={"cpu": "2"}, min={"cpu": "1", "x/y": "1"}) == {
        "type": "Container",
        "max": {"cpu": "4", "memory": "8Gi"},
        "default": {"cpu": "2", "memory": "8Gi"},
        "defaultRequest": {"cpu": "2", "memory": "8Gi", "x/y": "1"},
        "min": {"cpu": "1", "x/y": "1"},
    }


async def test_a_guest_that_says_nothing_gets_what_its_namespace_has_for_it(api: Api) -> None:
    await limit(api, default={"cpu": "2", "memory": "4Gi"}, defaultRequest={"cpu": "500m", "memory": "2Gi"})
    created = await post(api, INSTANCE, spec=guest())
    assert created.body["spec"]["domain"]["resources"] == {
        "requests": {"cpu": "500m"},
        "limits": {"cpu": "2", "memory": "4Gi"},
    }
    said = {"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "3Gi"}}
    assert (await post(api, INSTANCE, "two", spec=guest(resources=said))).body["spec"]["domain"]["resources"] == said
    sent_again = {**INSTANCE.manifest("one"), "spec": guest()}
    sent_again["metadata"]["resourceVersion"] = created.body["metadata"]["resourceVersion"]
    assert (await api.call("PUT", f"{INSTANCE.path}/one", sent_again)).code == 200


async def test_a_guest_is_not_limited_to_less_than_it_has(api: Api) -> None:
    await limit(api, default={"cpu": "2", "memory": "512Mi"})
    created = await post(api, INSTANCE, spec=guest())
    assert created.body["spec"]["domain"]["resources"]["limits"] == {"cpu": "2"}


async def test_the_template_of_a_machine_is_left_alone(api: Api) -> None:
    await limit(api, default={"cpu": "2"}, max={"cpu": "3", "memory": "1Mi"})
    machine = {"runStrategy": "Halted", "template": {"spec": guest()}}
    created = await post(api, MACHINE, spec=machine)
    assert created.code == 201
    assert "limits" not in created.body["spec"]["template"]["spec"]["domain"].get("resources", {})


BOUNDS: list[tuple[str, Object, Object, str]] = [
    ("Container", {"min": {"memory": "2Gi"}}, guest(), "minimum memory usage per Container is 2Gi, but limit is 1Gi"),
    (
        "Container",
        {"min": {"memory": "2Gi"}},
        guest(resources={"limits": {"memory": "3Gi"}}),
        "minimum memory usage per Container is 2Gi, but request is 1Gi",
    ),
    ("Pod", {"max": {"memory": "512Mi"}}, guest(), "maximum memory usage per Pod is 512Mi, but limit is 1Gi"),
    (
        "Pod",
        {"max": {"memory": "512Mi", "cpu": "500m"}},
        guest(),
        "[maximum memory usage per Pod is 512Mi, but limit is 1Gi, maximum cpu usage per Pod is 500m, but limit is 1]",
    ),
    (
        "Pod",
        {"maxLimitRequestRatio": {"cpu": "4"}},
        guest(),
        "cpu max limit to request ratio per Pod is 4, but provided ratio is 10",
    ),
]


@pytest.mark.parametrize(("type_", "limits", "spec", "why"), BOUNDS, ids=[each[3] for each in BOUNDS])
async def test_a_guest_outside_its_namespaces_bounds_is_refused(
    api: Api, type_: str, limits: Object, spec: Object, why: str
) -> None:
    await limit(api, type_, **limits)
    refused = await post(api, INSTANCE, spec=spec)
    assert refused.code == 403
    assert refused.body["message"] == f'virtualmachineinstances.kubevirt.io "one" is forbidden: {why}'


async def test_a_guest_within_its_namespaces_bounds_is_not_refused(api: Api) -> None:
    bounds = {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"}
    await limit(api, "Pod", max=bounds, maxLimitRequestRatio={"cpu": "10", "memory": "1"})
    assert (await post(api, INSTANCE, spec=guest())).code == 201


async def test_dedicated_cpus_are_request_enough(api: Api) -> None:
    await limit(api, default={"cpu": "2"}, defaultRequest={"cpu": "1500m"})
    created = await post(api, INSTANCE, spec=guest(dedicated=True))
    assert created.code == 201, created.body
    assert not created.body["spec"]["domain"].get("resources")


async def test_a_claim_has_a_size_that_its_namespace_allows(api: Api) -> None:
    await limit(api, "PersistentVolumeClaim", min={"storage": "1Gi"}, max={"storage": "2Gi"})
    for size, why in (
        ("500Mi", "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 500Mi"),
        ("3Gi", "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi"),
    ):
        refused = await post(api, CLAIM, spec=claim(size))
        assert (refused.code, refused.body["message"].endswith(f"is forbidden: {why}")) == (403, True)
    assert (await post(api, CLAIM, spec=claim("2Gi", volumeName="v"))).code == 201


async def test_a_claim_that_keeps_its_size_outlives_new_bounds(api: Api) -> None:
    await post(api, CLAIM, spec=claim("1Gi"))
    await limit(api, "PersistentVolumeClaim", min={"storage": "2Gi"})
    await api.patch(CLAIM, "one", {"metadata": {"labels": {"a": "b"}}})


async def test_there_is_one_default_priority(api: Api) -> None:
    assert (await post(api, PRIORITY_CLASS, value=1, globalDefault=True)).code == 201
    refused = await post(api, PRIORITY_CLASS, "two", value=2, globalDefault=True)
    why = "PriorityClass one is already marked as default. Only one default can exist"
    assert (refused.code, refused.body["message"]) == (
        403,
        f'priorityclasses.scheduling.k8s.io "two" is forbidden: {why}',
    )
    await api.patch(PRIORITY_CLASS, "one", {"description": "still the default"})
    await api.patch(PRIORITY_CLASS, "one", {"globalDefault": False})
    assert (await post(api, PRIORITY_CLASS, "two", value=2, globalDefault=True)).code == 201
    path, merge = f"{PRIORITY_CLASS.path}/one", "application/merge-patch+json"
    assert (await api.call("PATCH", path, {"globalDefault": True}, content_type=merge)).code == 403


async def test_a_guest_has_a_priority_that_exists(api: Api) -> None:
    refused = await post(api, INSTANCE, spec=guest(priorityClassName="high"))
    assert (refused.code, refused.body["message"]) == (
        403,
        'virtualmachineinstances.kubevirt.io "one" is forbidden: no PriorityClass with name high was found',
    )
    await post(api, PRIORITY_CLASS, "high", value=1)
    for name in ("high", "system-node-critical"):
        assert (await post(api, INSTANCE, name, spec=guest(priorityClassName=name))).code == 201


async def test_a_claim_that_names_no_class_has_the_default(api: Api) -> None:
    assert "storageClassName" not in (await post(api, CLAIM, "none", spec=claim())).body["spec"]
    await post(api, STORAGE_CLASS, "other", provisioner="a")
    await post(api, STORAGE_CLASS, "slow", provisioner="a", metadata=DEFAULT)
    assert (await post(api, CLAIM, "one", spec=claim())).body["spec"]["storageClassName"] == "slow"
    for said in ("", "other"):
        created = await post(api, CLAIM, f"said-{said}x", spec=claim(storageClassName=said))
        assert created.body["spec"]["storageClassName"] == said
    old = {"annotations": {"volume.beta.kubernetes.io/storage-class": "other"}}
    assert "storageClassName" not in (await post(api, CLAIM, "old", spec=claim(), metadata=old)).body["spec"]
