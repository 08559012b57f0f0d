"""create, update and patch: Kubernetes' API conventions, "Concurrency Control and Consistency"; RFC 6902, RFC 7386."""

import asyncio
from typing import Any

import orjson
import pytest

from tests.conformance.api import CONFIG_MAP, NAMESPACE, NODE, Answer, Api, Kind, connected
from tests.server import NODE as OWN_NODE
from tests.server import Server

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
LEASE = Kind("Lease", "coordination.k8s.io", "v1", "leases", "default")
MACHINE = Kind("VirtualMachine", "kubevirt.io", "v1", "virtualmachines", "default")


async def patch(api: Api, kind: Kind, name: str, content_type: str, body: Any, **query: str) -> Answer:
    return await api.call("PATCH", f"{kind.path}/{name}", orjson.dumps(body), content_type=content_type, **query)


def machine(name: str) -> dict[str, Any]:
    return {
        **MACHINE.manifest(name),
        "spec": {
            "runStrategy": "Halted",
            "template": {"spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}}},
        },
    }


async def test_a_stale_update_is_a_conflict_and_one_without_a_version_is_not(api: Api, kind: Kind) -> None:
    first = await api.create(kind, "a")
    await api.patch(kind, "a", {"metadata": {"labels": {"x": "1"}}})
    stale = await api.call("PUT", f"{kind.path}/a", first)
    assert (stale.code, stale.body["reason"]) == (409, "Conflict")
    assert stale.body["details"] == {"name": "a", "kind": kind.plural}
    assert stale.body["message"] == (
        f'Operation cannot be fulfilled on {kind.plural} "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    free = await api.call("PUT", f"{kind.path}/a", kind.manifest("a"))
    assert free.code == 200
    assert "labels" not in free.body["metadata"]


@pytest.mark.parametrize("which", ["lease", "machine"])
async def test_some_kinds_are_only_updated_by_version(api: Api, which: str) -> None:
    kind, body = (LEASE, LEASE.manifest("a")) if which == "lease" else (MACHINE, machine("a"))
    assert (await api.call("POST", kind.path, body)).code == 201
    refused = await api.call("PUT", f"{kind.path}/a", body)
    assert (refused.code, refused.body["reason"]) == (422, "Invalid")
    assert refused.body["message"].endswith(
        "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"
    )


async def test_an_update_of_what_is_missing_is_refused_but_for_kinds_that_it_creates(api: Api, kind: Kind) -> None:
    assert (await api.call("PUT", f"{kind.path}/a", kind.manifest("a"))).code == 404
    created = await api.call("PUT", f"{LEASE.path}/a", LEASE.manifest("a"), fieldManager="m")
    assert created.code == 201
    assert created.body["metadata"]["uid"]
    assert (await api.call("PUT", f"{LEASE.path}/a", created.body)).code == 200


async def test_an_update_with_another_uid_is_a_conflict(api: Api, kind: Kind) -> None:
    await api.create(kind, "a")
    answer = await api.call("PUT", f"{kind.path}/a", kind.manifest("a", uid="other"))
    assert answer.code == 409
    assert "Precondition failed: UID in precondition: other" in answer.body["message"]


async def test_nothing_is_created_at_a_version(api: Api, kind: Kind) -> None:
    answer = await api.call("POST", kind.path, kind.manifest("a", resourceVersion="1"))
    assert answer.code == 400
    assert answer.body["message"] == "resourceVersion should not be set on objects to be created"


async def test_writes_that_change_nothing_keep_the_version(api: Api, kind: Kind) -> None:
    created = await api.create(kind, "a", labels={"x": "1"})
    version = created["metadata"]["resourceVersion"]
    assert (await api.call("PUT", f"{kind.path}/a", created)).body["metadata"]["resourceVersion"] == version
    for content_type, body in (
        (MERGE_PATCH, {"metadata": {"labels": {"x": "1"}}}),
        (STRATEGIC_PATCH, {"metadata": {"labels": {"x": "1"}}}),
        (JSON_PATCH, [{"op": "replace", "path": "/metadata/labels/x", "value": "1"}]),
        (JSON_PATCH, []),
    ):
        answer = await patch(api, kind, "a", content_type, body)
        assert answer.body == created


async def test_metadata_that_holds_nothing_is_not_kept(api: Api, kind: Kind) -> None:
    empty = {"labels": {}, "annotations": {}, "finalizers": [], "ownerReferences": []}
    manifest = {**kind.manifest("a"), "metadata": {**kind.manifest("a")["metadata"], **empty}}
    created = (await api.call("POST", kind.path, manifest)).body
    assert not empty.keys() & created["metadata"].keys()
    assert b"f:metadata" not in orjson.dumps(created)
    await api.patch(kind, "a", {"metadata": {"annotations": {"x": "1"}}})
    removed = await patch(api, kind, "a", MERGE_PATCH, {"metadata": {"annotations": {"x": None}}})
    assert "annotations" not in removed.body["metadata"]


async def test_a_patch_may_name_the_version_that_it_is_for(api: Api, kind: Kind) -> None:
    created = await api.create(kind, "a")
    version = created["metadata"]["resourceVersion"]
    fine = await patch(api, kind, "a", MERGE_PATCH, {"metadata": {"resourceVersion": version, "labels": {"x": "1"}}})
    assert fine.code == 200
    stale = await patch(api, kind, "a", MERGE_PATCH, {"metadata": {"resourceVersion": version, "labels": {"x": "2"}}})
    assert (stale.code, stale.body["reason"]) == (409, "Conflict")


async def test_patches_made_at_the_same_time_all_succeed(api: Api, kind: Kind) -> None:
    await api.create(kind, "a")
    answers = await asyncio.gather(
        *(patch(api, kind, "a", MERGE_PATCH, {"metadata": {"labels": {f"x{i}": "1"}}}) for i in range(30))
    )
    assert {answer.code for answer in answers} == {200}
    found = await api.get(kind, "a")
    assert found
    assert {f"x{i}" for i in range(30)} <= found["metadata"]["labels"].keys()


async def test_a_json_patch_whose_test_fails_changes_nothing(api: Api, kind: Kind) -> None:
    created = await api.create(kind, "a", labels={"x": "1"})
    answer = await patch(
        api,
        kind,
        "a",
        JSON_PATCH,
        [
            {"op": "replace", "path": "/metadata/labels/x", "value": "2"},
            {"op": "test", "path": "/metadata/labels/x", "value": "1"},
        ],
    )
    assert (answer.code, answer.body["reason"]) == (422, "Invalid")
    assert await api.get(kind, "a") == created


async def test_json_patches_have_limits(api: Api) -> None:
    await api.create(CONFIG_MAP, "a")
    test = {"op": "test", "path": "/kind", "value": "ConfigMap"}
    assert (await patch(api, CONFIG_MAP, "a", JSON_PATCH, [test] * 10_000)).code == 200
    many = await patch(api, CONFIG_MAP, "a", JSON_PATCH, [test] * 10_001)
    assert (many.code, many.body["reason"]) == (413, "RequestEntityTooLarge")
    bomb = [{"op": "add", "path": "/data", "value": {"x": "x" * 100_000}}]
    bomb += [{"op": "copy", "from": "/data", "path": "/data/y"}] * 40
    copied = await patch(api, CONFIG_MAP, "a", JSON_PATCH, bomb)
    assert copied.code == 422
    assert "accumulated size increase of copy" in copied.body["message"]


async def test_a_patch_of_what_is_missing_is_not_found(api: Api, kind: Kind) -> None:
    for content_type, body in ((MERGE_PATCH, {}), (STRATEGIC_PATCH, {}), (JSON_PATCH, [])):
        assert (await patch(api, kind, "a", content_type, body)).code == 404


async def test_built_in_kinds_take_strategic_merge_patches(api: Api, kind: Kind) -> None:
    await api.create(kind, "a", finalizers=["x/one", "x/two"])
    answer = await patch(
        api, kind, "a", STRATEGIC_PATCH, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x/one"]}}
    )
    assert answer.body["metadata"]["finalizers"] == ["x/two"]
    added = await patch(api, kind, "a", STRATEGIC_PATCH, {"metadata": {"finalizers": ["x/three"]}})
    assert added.body["metadata"]["finalizers"] == ["x/three", "x/two"]
    refused = await patch(api, kind, "a", STRATEGIC_PATCH, {"$patch": "fly"})
    assert refused.code == 400


async def test_custom_resources_take_none_and_say_which_they_take(api: Api) -> None:
    assert (await api.call("POST", MACHINE.path, machine("a"))).code == 201
    answer = await patch(api, MACHINE, "a", STRATEGIC_PATCH, {})
    assert (answer.code, answer.body["reason"]) == (415, "UnsupportedMediaType")
    assert answer.body["message"] == (
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )


async def test_generations_count_changes_of_the_spec_alone(api: Api) -> None:
    await api.call("POST", MACHINE.path, machine("a"))
    for body, generation in (
        ({"metadata": {"labels": {"x": "1"}}}, 1),
        ({"spec": {"runStrategy": "Manual"}}, 2),
        ({"spec": {"runStrategy": "Manual"}}, 2),
        ({"metadata": {"generation": 9}}, 2),
    ):
        answer = await patch(api, MACHINE, "a", MERGE_PATCH, body)
        assert answer.body["metadata"]["generation"] == generation


async def test_what_only_the_server_sets_stays_as_it_set_it(api: Api, kind: Kind) -> None:
    created = await api.create(kind, "a")
    answer = await api.patch(
        kind, "a", {"metadata": {"creationTimestamp": "2001-01-01T00:00:00Z", "selfLink": "/x", "generation": 7}}
    )
    assert answer["metadata"] == created["metadata"]


@pytest.mark.parametrize("kind", [NAMESPACE, NODE], ids=lambda kind: kind.kind)
async def test_a_status_write_of_kubernetes_own_kinds_carries_metadata_and_no_spec(api: Api, kind: Kind) -> None:
    created = await api.create(kind, "a")
    changed = {
        "metadata": {"annotations": {"told": "yes"}},
        "spec": {"unschedulable": True, "finalizers": []},
        "status": {"conditions": [{"type": "Told", "status": "True"}]},
    }
    answer = await patch(api, kind, "a/status", MERGE_PATCH, changed)
    assert answer.code == 200, answer.body
    assert answer.body["metadata"]["annotations"] == {"told": "yes"}
    assert [each["type"] for each in answer.body["status"]["conditions"]] == ["Told"]
    assert answer.body.get("spec") == created.get("spec")


async def test_a_status_write_of_a_custom_resource_carries_the_status_alone(api: Api, server: Server) -> None:
    assert (await api.call("POST", MACHINE.path, machine("a"))).code == 201
    changed = {"metadata": {"annotations": {"told": "yes"}}, "status": {"printableStatus": "Stopped"}}
    async with connected(server, "controllers") as session:
        answer = await patch(Api(session), MACHINE, "a/status", MERGE_PATCH, changed)
    assert (answer.code, answer.body["status"]) == (200, {"printableStatus": "Stopped"})
    assert "told" not in answer.body["metadata"].get("annotations", {})


async def test_a_namespace_keeps_the_label_of_its_name_whichever_way_it_is_written(api: Api) -> None:
    created = await api.create(NAMESPACE, "a")
    for at in ("a", "a/status"):
        answer = await patch(api, NAMESPACE, at, MERGE_PATCH, {"metadata": {"labels": None}})
        assert (answer.code, answer.body["metadata"]["labels"]) == (200, created["metadata"]["labels"])


async def test_an_agent_does_not_label_its_node_for_others_by_the_status(api: Api, server: Server) -> None:
    await api.create(NODE, OWN_NODE)
    label = "node-restriction.kubernetes.io/tenant"
    async with connected(server, "agent") as session:
        refused = await patch(
            Api(session), NODE, f"{OWN_NODE}/status", MERGE_PATCH, {"metadata": {"labels": {label: "a"}}}
        )
    assert (refused.code, refused.body["details"]["causes"][0]["field"]) == (422, f"metadata.labels[{label}]")
