"""delete and deletecollection, as ``k8s.io/apiserver``'s ``Store.Delete`` and its handlers answer them."""

import asyncio

import pytest

from tests.conformance.api import CONFIG_MAP, NAMESPACE, Api, Kind, Object

HELD = ["test.example/held"]


def options(**fields: object) -> Object:
    return {"apiVersion": "v1", "kind": "DeleteOptions", **fields}


async def test_what_nothing_holds_is_gone_at_once_and_the_answer_says_what_it_was(api: Api, kind: Kind) -> None:
    created = await api.create(kind, "one")
    answer = await api.delete(kind, "one")
    assert answer.code == 200
    details = {"name": "one", "kind": kind.plural, "uid": created["metadata"]["uid"]}
    assert answer.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }
    again = await api.delete(kind, "one")
    assert (again.code, again.body["reason"]) == (404, "NotFound")


async def test_a_finalizer_holds_an_object_until_it_is_removed(api: Api, kind: Kind) -> None:
    created = await api.create(kind, "one", finalizers=HELD)
    answer = await api.delete(kind, "one")
    marked = answer.body["metadata"]
    assert (answer.code, answer.body["kind"]) == (200, kind.kind)
    assert marked["finalizers"] == HELD
    assert marked["deletionTimestamp"] >= marked["creationTimestamp"]
    assert marked["deletionGracePeriodSeconds"] == 0
    assert marked["resourceVersion"] != created["metadata"]["resourceVersion"]
    last = await api.patch(kind, "one", {"metadata": {"finalizers": None}})
    assert last["metadata"]["uid"] == created["metadata"]["uid"]
    assert await api.get(kind, "one") is None


async def test_an_object_in_deletion_can_change_but_gets_no_new_finalizer(api: Api, kind: Kind) -> None:
    await api.create(kind, "one", finalizers=HELD)
    await api.delete(kind, "one")
    changed = await api.patch(kind, "one", {"metadata": {"labels": {"a": "b"}, "deletionTimestamp": None}})
    assert changed["metadata"]["labels"]["a"] == "b"
    assert "deletionTimestamp" in changed["metadata"]
    more = {"metadata": {"finalizers": [*HELD, "test.example/more"]}}
    refused = await api.call("PATCH", f"{kind.path}/one", more, content_type="application/merge-patch+json")
    assert (refused.code, refused.body["reason"]) == (422, "Invalid")
    assert refused.body["details"]["causes"][0]["field"] == "metadata.finalizers"


async def test_deleting_again_changes_nothing(api: Api, kind: Kind) -> None:
    await api.create(kind, "one", finalizers=HELD)
    first = await api.delete(kind, "one")
    again = await api.delete(kind, "one")
    assert (again.code, again.body) == (200, first.body)


@pytest.mark.parametrize(
    ("policy", "finalizers"),
    [("Foreground", ["foregroundDeletion"]), ("Orphan", ["orphan"])],
)
async def test_a_propagation_policy_asks_the_garbage_collector_by_a_finalizer(
    api: Api, kind: Kind, policy: str, finalizers: list[str]
) -> None:
    await api.create(kind, "body")
    await api.create(kind, "query")
    for answer in (
        await api.delete(kind, "body", options(propagationPolicy=policy)),
        await api.delete(kind, "query", propagationPolicy=policy),
    ):
        assert answer.code == 200
        assert answer.body["metadata"]["finalizers"] == finalizers
        assert "deletionTimestamp" in answer.body["metadata"]


async def test_a_propagation_policy_overrides_what_the_object_says(api: Api, kind: Kind) -> None:
    await api.create(kind, "one", finalizers=[*HELD, "foregroundDeletion"])
    orphaned = await api.delete(kind, "one", options(propagationPolicy="Orphan"))
    assert orphaned.body["metadata"]["finalizers"] == [*HELD, "orphan"]
    kept = await api.delete(kind, "one")
    assert kept.body["metadata"]["finalizers"] == [*HELD, "orphan"]
    background = await api.delete(kind, "one", options(propagationPolicy="Background"))
    assert background.body["metadata"]["finalizers"] == HELD


async def test_background_lets_go_at_once_what_waited_for_its_dependents(api: Api, kind: Kind) -> None:
    await api.create(kind, "one")
    await api.delete(kind, "one", options(propagationPolicy="Foreground"))
    answer = await api.delete(kind, "one", options(propagationPolicy="Background"))
    assert (answer.code, answer.body["kind"]) == (200, "Status")
    assert await api.get(kind, "one") is None


async def test_the_old_way_to_ask_for_propagation(api: Api, kind: Kind) -> None:
    await api.create(kind, "one", finalizers=HELD)
    orphaned = await api.delete(kind, "one", options(orphanDependents=True))
    assert (orphaned.code, orphaned.body["metadata"]["finalizers"]) == (200, [*HELD, "orphan"])
    accepted = await api.delete(kind, "one", options(orphanDependents=False))
    assert (accepted.code, accepted.body["metadata"]["finalizers"]) == (202, HELD)
    assert (await api.delete(kind, "one", orphanDependents="true")).body["metadata"]["finalizers"] == [*HELD, "orphan"]


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        ({"propagationPolicy": "Sideways"}, 422, 'propagationPolicy: Unsupported value: "Sideways"'),
        ({"propagationPolicy": "Orphan", "orphanDependents": True}, 422, "cannot be both set"),
        ({"dryRun": ["Some"]}, 422, "dryRun: Unsupported value"),
        ({"gracePeriodSeconds": "soon"}, 400, "gracePeriodSeconds"),
        ({"orphanDependents": "yes"}, 400, "orphanDependents"),
        ({"preconditions": []}, 400, "preconditions"),
        ({"kind": "ConfigMap"}, 400, "DeleteOptions"),
    ],
)
async def test_options_that_make_no_sense_delete_nothing(api: Api, given: Object, code: int, told: str) -> None:
    await api.create(CONFIG_MAP, "one")
    refused = await api.delete(CONFIG_MAP, "one", options(**given))
    assert refused.code == code
    assert told in refused.body["message"]
    if code == 422:
        assert refused.body["message"].startswith('DeleteOptions.meta.k8s.io "" is invalid: ')
    assert await api.get(CONFIG_MAP, "one") is not None


@pytest.mark.parametrize(
    "query",
    [{"gracePeriodSeconds": "soon"}, {"orphanDependents": "perhaps"}, {"dryRun": "Some"}, {"propagationPolicy": "x"}],
)
async def test_a_query_that_makes_no_sense_deletes_nothing(api: Api, query: dict[str, str]) -> None:
    await api.create(CONFIG_MAP, "one")
    assert (await api.call("DELETE", f"{CONFIG_MAP.path}/one", **query)).code in (400, 422)
    assert await api.get(CONFIG_MAP, "one") is not None


async def test_preconditions_must_hold(api: Api, kind: Kind) -> None:
    created = (await api.create(kind, "one"))["metadata"]
    for precondition, told in (({"uid": "other"}, "UID"), ({"resourceVersion": "1"}, "ResourceVersion")):
        refused = await api.delete(kind, "one", options(preconditions=precondition))
        assert (refused.code, refused.body["reason"]) == (409, "Conflict")
        assert f"the {told} in the precondition" in refused.body["message"]
        assert refused.body["details"]["name"] == "one"
    met = {"uid": created["uid"], "resourceVersion": created["resourceVersion"]}
    assert (await api.delete(kind, "one", options(preconditions=met))).code == 200
    assert await api.get(kind, "one") is None


@pytest.mark.parametrize("finalizers", [[], HELD], ids=["free", "held"])
async def test_a_dry_run_answers_as_if_and_changes_nothing(api: Api, kind: Kind, finalizers: list[str]) -> None:
    created = await api.create(kind, "one", finalizers=finalizers)
    for answer in (
        await api.delete(kind, "one", options(dryRun=["All"])),
        await api.delete(kind, "one", dryRun="All"),
    ):
        assert answer.code == 200
        assert answer.body["kind"] == (kind.kind if finalizers else "Status")
    assert await api.get(kind, "one") == created


async def test_a_body_may_be_absent_and_then_the_query_counts(api: Api, kind: Kind) -> None:
    await api.create(kind, "one", finalizers=HELD)
    body = options(propagationPolicy="Orphan")
    answer = await api.delete(kind, "one", body, propagationPolicy="Foreground")
    assert answer.body["metadata"]["finalizers"] == [*HELD, "orphan"]


async def test_of_many_who_delete_at_once_one_succeeds(api: Api, kind: Kind) -> None:
    await api.create(kind, "one")
    answers = await asyncio.gather(*(api.delete(kind, "one") for _ in range(10)))
    assert sorted(each.code for each in answers) == [200] + [404] * 9


async def test_a_collection_goes_as_far_as_it_is_selected(api: Api, kind: Kind) -> None:
    for name in ("a", "b", "c"):
        await api.create(kind, name, labels={"team": "red" if name != "c" else "blue"})
    answer = await api.call("DELETE", kind.path, labelSelector="team=red")
    assert answer.code == 200
    assert answer.body["kind"] == f"{kind.kind}List"
    assert [item["metadata"]["name"] for item in answer.body["items"]] == ["a", "b"]
    assert await api.get(kind, "a") is None
    assert await api.get(kind, "c") is not None
    await api.call("DELETE", kind.path, fieldSelector="metadata.name=c")
    assert await api.get(kind, "c") is None


async def test_a_collection_is_deleted_with_options(api: Api, kind: Kind) -> None:
    for name in ("a", "b"):
        await api.create(kind, name, labels={"team": "red"})
    dry = await api.call("DELETE", kind.path, options(dryRun=["All"]), labelSelector="team=red")
    assert dry.code == 200
    await api.call("DELETE", kind.path, options(propagationPolicy="Orphan"), labelSelector="team=red")
    for name in ("a", "b"):
        left = await api.get(kind, name)
        assert left is not None
        assert left["metadata"]["finalizers"] == ["orphan"]
    refused = await api.call("DELETE", kind.path, options(preconditions={"uid": "other"}), labelSelector="team=red")
    assert refused.code == 409


async def test_a_limited_collection_goes_in_parts(api: Api, kind: Kind) -> None:
    names = [f"part-{number}" for number in range(5)]
    for name in names:
        await api.create(kind, name, labels={"team": "red"})
    answer = await api.call("DELETE", kind.path, labelSelector="team=red", limit="2")
    assert [item["metadata"]["name"] for item in answer.body["items"]] == names[:2]
    left = await api.call("GET", kind.path, labelSelector="team=red")
    assert [item["metadata"]["name"] for item in left.body["items"]] == names[2:]


async def test_a_large_collection_is_gone_after_one_request(api: Api, kind: Kind) -> None:
    await asyncio.gather(*(api.create(kind, f"n{number}", labels={"team": "red"}) for number in range(200)))
    assert (await api.call("DELETE", kind.path, labelSelector="team=red")).code == 200
    assert (await api.call("GET", kind.path, labelSelector="team=red")).body["items"] == []


async def test_a_kind_whose_generation_counts_gets_a_new_one(api: Api) -> None:
    machines = Kind("VirtualMachine", "kubevirt.io", "v1", "virtualmachines", "default")
    manifest = machines.manifest("one", finalizers=HELD)
    manifest["spec"] = {
        "runStrategy": "Halted",
        "template": {"spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}}},
    }
    created = await api.call("POST", machines.path, manifest)
    assert created.code == 201, created.body
    marked = await api.delete(machines, "one")
    assert marked.body["metadata"]["generation"] == created.body["metadata"]["generation"] + 1
    again = await api.delete(machines, "one", options(propagationPolicy="Foreground"))
    assert again.body["metadata"]["generation"] == marked.body["metadata"]["generation"]
    assert again.body["metadata"]["deletionTimestamp"] == marked.body["metadata"]["deletionTimestamp"]


async def test_a_deleted_namespace_is_terminating_until_it_is_finalized(api: Api) -> None:
    created = await api.create(NAMESPACE, "room")
    assert created["spec"]["finalizers"] == ["kubernetes"]
    answer = await api.delete(NAMESPACE, "room", options(propagationPolicy="Foreground"))
    assert (answer.code, answer.body["kind"]) == (200, "Namespace")
    assert answer.body["status"]["phase"] == "Terminating"
    assert "finalizers" not in answer.body["metadata"]
    assert "deletionGracePeriodSeconds" not in answer.body["metadata"]
    assert (await api.delete(NAMESPACE, "room")).body == answer.body
    unmoved = await api.patch(NAMESPACE, "room", {"spec": {"finalizers": []}})
    assert unmoved["spec"]["finalizers"] == ["kubernetes"]
    finalized = await api.call("PUT", f"{NAMESPACE.path}/room/finalize", {**unmoved, "spec": {"finalizers": []}})
    assert finalized.code == 200, finalized.body
    assert await api.get(NAMESPACE, "room") is None


async def test_other_finalizers_of_a_namespace_hold_it_too(api: Api) -> None:
    room = await api.create(NAMESPACE, "room")
    room["spec"]["finalizers"].append("test.example/held")
    held = await api.call("PUT", f"{NAMESPACE.path}/room/finalize", room)
    assert held.body["spec"]["finalizers"] == ["kubernetes", "test.example/held"]
    await api.delete(NAMESPACE, "room")
    left = {"metadata": {"name": "room"}, "spec": {"finalizers": ["test.example/held"]}}
    assert (await api.call("PUT", f"{NAMESPACE.path}/room/finalize", left)).code == 200
    assert await api.get(NAMESPACE, "room") is not None
    wrong = {"metadata": {"name": "room"}, "spec": {"finalizers": ["unqualified"]}}
    refused = await api.call("PUT", f"{NAMESPACE.path}/room/finalize", wrong)
    assert (refused.code, refused.body["details"]["causes"][0]["field"]) == (422, "spec.finalizers[0]")


async def test_finalize_can_only_be_put(api: Api) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        answer = await api.call(method, f"{NAMESPACE.path}/default/finalize", {} if method == "PATCH" else None)
        assert (answer.code, answer.body["reason"]) == (405, "MethodNotAllowed")
    assert (await api.call("PUT", f"{CONFIG_MAP.path}/one/finalize", {})).code == 404


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_the_namespaces_that_every_cluster_has_stay(api: Api, name: str) -> None:
    refused = await api.delete(NAMESPACE, name)
    assert (refused.code, refused.body["reason"]) == (403, "Forbidden")
    assert refused.body["message"] == f'namespaces "{name}" is forbidden: this namespace may not be deleted'


async def test_all_namespaces_cannot_be_deleted_in_one_request(api: Api) -> None:
    assert (await api.call("DELETE", NAMESPACE.path)).code == 405
    found = (await api.call("GET", "/api/v1")).body["resources"]
    verbs = {each["name"]: each["verbs"] for each in found}
    assert "deletecollection" not in verbs["namespaces"]
    assert "deletecollection" in verbs["configmaps"]
    assert verbs["namespaces/finalize"] == ["update"]
    documented = (await api.call("GET", "/openapi/v3/api/v1")).body["paths"]
    assert "delete" not in documented["/api/v1/namespaces"]
    assert "delete" in documented["/api/v1/nodes"]
    assert set(documented["/api/v1/namespaces/{name}/finalize"]) == {"put", "parameters"}


async def test_nothing_new_gets_into_a_terminating_namespace(api: Api) -> None:
    await api.create(NAMESPACE, "room")
    await api.delete(NAMESPACE, "room")
    manifest = {"metadata": {"generateName": "late-"}}
    refused = await api.call("POST", "/api/v1/namespaces/room/configmaps", manifest)
    assert (refused.code, refused.body["reason"]) == (403, "Forbidden")
    assert refused.body["message"] == (
        'configmaps "late-" is forbidden: unable to create new content in namespace room because it is being terminated'
    )
    assert refused.body["details"]["causes"] == [
        {
            "reason": "NamespaceTerminating",
            "message": "namespace room is being terminated",
            "field": "metadata.namespace",
        }
    ]
