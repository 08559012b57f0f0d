"""Server-side apply: KEP-555; Kubernetes' documentation, "Server-Side Apply"."""

from typing import Any

import orjson
import pytest

from tests.conformance.api import CONFIG_MAP, Answer, Api, Kind, Object

APPLY = "application/apply-patch+yaml"
MACHINE = Kind("VirtualMachine", "kubevirt.io", "v1", "virtualmachines", "default")
OLD_MACHINE = Kind("VirtualMachine", "kubevirt.io", "v1alpha1", "virtualmachines", "default")


async def apply(
    api: Api,
    kind: Kind,
    name: str,
    manager: str = "applier",
    /,
    body: Object | None = None,
    *,
    at: str = "",
    **query: str,
) -> Answer:
    config = orjson.dumps({**kind.manifest(name), **(body or {})})
    return await api.call("PATCH", f"{kind.path}/{name}{at}", config, content_type=APPLY, fieldManager=manager, **query)


def labelled(kind: Kind, name: str, **labels: str) -> Object:
    return kind.manifest(name, labels=labels)


def managers(obj: Object) -> dict[tuple[str, str], Any]:
    return {
        (entry["manager"], entry["operation"]): entry["fieldsV1"] for entry in obj["metadata"].get("managedFields", [])
    }


async def test_an_apply_creates_what_is_missing_and_the_same_again_changes_nothing(api: Api, kind: Kind) -> None:
    first = await apply(api, kind, "a", body=labelled(kind, "a", x="1"))
    assert first.code == 201
    assert managers(first.body) == {("applier", "Apply"): {"f:metadata": {"f:labels": {"f:x": {}}}}}
    again = await apply(api, kind, "a", body=labelled(kind, "a", x="1"))
    assert again.code == 200
    assert again.body == first.body


async def test_yaml_is_applied_too(api: Api, kind: Kind) -> None:
    text = f"apiVersion: {kind.api_version}\nkind: {kind.kind}\nmetadata:\n  labels: {{x: '1'}}\n"
    answer = await api.call("PATCH", f"{kind.path}/a", text.encode(), content_type=APPLY, fieldManager="m")
    assert (answer.code, answer.body["metadata"]["labels"]["x"]) == (201, "1")


async def test_what_is_no_longer_applied_goes_unless_somebody_else_owns_it(api: Api, kind: Kind) -> None:
    await apply(api, kind, "a", "one", body=labelled(kind, "a", x="1", y="1"))
    await apply(api, kind, "a", "two", body=labelled(kind, "a", y="1"))
    left = await apply(api, kind, "a", "one", body=labelled(kind, "a"))
    assert left.body["metadata"]["labels"] == {"y": "1"}
    gone = await apply(api, kind, "a", "two")
    assert "y" not in gone.body["metadata"].get("labels", {})
    assert ("two", "Apply") not in managers(gone.body)


async def test_another_value_than_the_owners_is_a_conflict_that_names_manager_and_field(api: Api, kind: Kind) -> None:
    await apply(api, kind, "a", "one", body=labelled(kind, "a", x="1"))
    refused = await apply(api, kind, "a", "two", body=labelled(kind, "a", x="2"))
    assert (refused.code, refused.body["reason"]) == (409, "Conflict")
    assert refused.body["message"] == 'Apply failed with 1 conflict: conflict with "one": .metadata.labels.x'
    assert refused.body["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".metadata.labels.x"}
    ]
    forced = await apply(api, kind, "a", "two", body=labelled(kind, "a", x="2"), force="true")
    assert forced.code == 200
    assert managers(forced.body) == {("two", "Apply"): {"f:metadata": {"f:labels": {"f:x": {}}}}}


async def test_the_same_value_is_owned_together(api: Api, kind: Kind) -> None:
    await apply(api, kind, "a", "one", body=labelled(kind, "a", x="1"))
    both = await apply(api, kind, "a", "two", body=labelled(kind, "a", x="1"))
    assert managers(both.body).keys() == {("one", "Apply"), ("two", "Apply")}


async def test_every_other_write_takes_what_it_changes(api: Api, kind: Kind) -> None:
    await apply(api, kind, "a", "one", body=labelled(kind, "a", x="1", y="1"))
    patch = {"metadata": {"labels": {"x": "2", "z": "3"}}}
    patched = await api.call(
        "PATCH", f"{kind.path}/a", patch, content_type="application/merge-patch+json", fieldManager="patcher"
    )
    assert managers(patched.body) == {
        ("one", "Apply"): {"f:metadata": {"f:labels": {"f:y": {}}}},
        ("patcher", "Update"): {"f:metadata": {"f:labels": {"f:x": {}, "f:z": {}}}},
    }
    replaced = patched.body
    replaced["metadata"]["labels"]["y"] = "2"
    updated = await api.call("PUT", f"{kind.path}/a", replaced, fieldManager="updater")
    assert managers(updated.body).keys() == {("patcher", "Update"), ("updater", "Update")}


async def test_the_manager_is_what_the_user_agent_says_where_no_other_is_named(api: Api, kind: Kind) -> None:
    async with api.session.post(
        kind.path, json=labelled(kind, "a", x="1"), headers={"User-Agent": "my-tool/1.0 (linux)"}
    ) as answer:
        created = await answer.json()
    [entry] = created["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"], entry["apiVersion"]) == ("my-tool", "Update", kind.api_version)
    assert entry["fieldsType"] == "FieldsV1"
    assert entry["time"] == created["metadata"]["creationTimestamp"]


async def test_a_write_that_changes_nothing_leaves_managers_and_revision(api: Api, kind: Kind) -> None:
    created = await api.create(kind, "a", labels={"x": "1"})
    again = await api.call("PUT", f"{kind.path}/a", created, fieldManager="somebody-else")
    assert again.body == created


async def test_managers_can_be_forgotten_and_come_back_with_the_next_apply(api: Api, kind: Kind) -> None:
    await apply(api, kind, "a", "one", body=labelled(kind, "a", x="1"))
    forgotten = await api.patch(kind, "a", {"metadata": {"managedFields": [{}]}})
    assert "managedFields" not in forgotten["metadata"]
    untracked = await api.patch(kind, "a", {"metadata": {"labels": {"y": "1"}}})
    assert "managedFields" not in untracked["metadata"]
    refused = await apply(api, kind, "a", "one", body=labelled(kind, "a", x="2"))
    assert refused.code == 409
    assert refused.body["details"]["causes"][0]["message"] == (
        f'conflict with "before-first-apply" using {kind.api_version}'
    )


async def test_an_object_sent_without_managers_keeps_them(api: Api, kind: Kind) -> None:
    created = await api.create(kind, "a", labels={"x": "1"})
    entries = created["metadata"].pop("managedFields")
    created["metadata"]["labels"]["y"] = "2"
    updated = await api.call("PUT", f"{kind.path}/a", created, fieldManager="other")
    assert updated.body["metadata"]["managedFields"][0]["manager"] == entries[0]["manager"]


async def test_managers_that_make_no_sense_are_not_believed(api: Api, kind: Kind) -> None:
    created = await api.create(kind, "a", labels={"x": "1"})
    entries = created["metadata"]["managedFields"]
    for nonsense in ([{"manager": "m", "operation": "Guess"}], [{"fieldsV1": {"x": {}}}, {}]):
        patched = await api.patch(kind, "a", {"metadata": {"managedFields": nonsense}})
        assert patched["metadata"]["managedFields"] == entries


async def test_of_many_updaters_the_oldest_are_told_as_one(api: Api, kind: Kind) -> None:
    await api.create(kind, "a", labels={"x": "1"})
    for i in range(14):
        answer = await api.call(
            "PATCH",
            f"{kind.path}/a",
            {"metadata": {"labels": {f"l{i}": "1"}}},
            content_type="application/merge-patch+json",
            fieldManager=f"m{i:02}",
        )
    entries = answer.body["metadata"]["managedFields"]
    assert len(entries) == 10
    assert "ancient-changes" in {entry["manager"] for entry in entries}


@pytest.mark.parametrize(
    ("query", "code", "told"),
    [
        ({}, 422, "fieldManager: Required value: is required for apply patch"),
        ({"fieldManager": "x" * 129}, 422, "fieldManager: Too long"),
        ({"fieldManager": "a\tb"}, 422, "fieldManager: Invalid value"),
    ],
)
async def test_an_apply_names_its_manager(api: Api, kind: Kind, query: dict[str, str], code: int, told: str) -> None:
    config = orjson.dumps(kind.manifest("a"))
    answer = await api.call("PATCH", f"{kind.path}/a", config, content_type=APPLY, **query)
    assert answer.code == code
    assert told in answer.body["message"]


async def test_only_an_apply_can_be_forced(api: Api, kind: Kind) -> None:
    await api.create(kind, "a")
    answer = await api.call("PATCH", f"{kind.path}/a", {}, content_type="application/merge-patch+json", force="true")
    assert (answer.code, answer.body["reason"]) == (422, "Invalid")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"metadata": {"managedFields": []}}, "metadata.managedFields must be nil"),
        ({"nope": 1}, "nope: field not declared in schema"),
        ({"metadata": {"nope": 1}}, "metadata.nope: field not declared in schema"),
        ({"kind": ""}, "invalid object type"),
        ({"apiVersion": "v9"}, "does not match"),
        ({"metadata": {"name": "b"}}, "does not match"),
        ({"metadata": {"finalizers": ["a/b", "a/b"]}}, 'duplicate entries for key [="a/b"]'),
    ],
)
async def test_a_configuration_that_cannot_be_applied_is_refused(
    api: Api, kind: Kind, config: Object, told: str
) -> None:
    answer = await apply(api, kind, "a", body=config)
    assert answer.code == 400
    assert told in answer.body["message"]
    assert await api.get(kind, "a") is None


async def test_values_of_a_wrong_type_are_refused(api: Api) -> None:
    answer = await apply(api, CONFIG_MAP, "a", body={"data": {"x": 1}})
    assert (answer.code, answer.body["reason"]) == (422, "Invalid")


async def test_fields_given_twice_are_warned_of_and_refused_when_strict(api: Api, kind: Kind) -> None:
    text = f"apiVersion: {kind.api_version}\nkind: {kind.kind}\nmetadata:\n  labels:\n    x: '1'\n    x: '2'\n".encode()
    strict = await api.call(
        "PATCH", f"{kind.path}/a", text, content_type=APPLY, fieldManager="m", fieldValidation="Strict"
    )
    assert strict.code == 400
    assert 'line 6: key "x" already set in map' in strict.body["message"]
    warned = await api.call("PATCH", f"{kind.path}/a", text, content_type=APPLY, fieldManager="m")
    assert warned.code == 201
    assert "already set in map" in warned.headers["Warning"]


async def test_a_dry_run_tells_the_result_and_stores_nothing(api: Api, kind: Kind) -> None:
    dry = await apply(api, kind, "a", body=labelled(kind, "a", x="1"), dryRun="All")
    assert dry.code == 201
    assert dry.body["metadata"]["labels"]["x"] == "1"
    assert await api.get(kind, "a") is None


async def test_a_resource_version_in_the_configuration_is_a_precondition(api: Api, kind: Kind) -> None:
    created = await api.create(kind, "a")
    version = created["metadata"]["resourceVersion"]
    fine = await apply(api, kind, "a", body=kind.manifest("a", labels={"x": "1"}, resourceVersion=version))
    assert fine.code == 200
    stale = await apply(api, kind, "a", body=kind.manifest("a", labels={"x": "2"}, resourceVersion=version))
    assert (stale.code, stale.body["reason"]) == (409, "Conflict")
    assert "the object has been modified" in stale.body["message"]


async def test_a_uid_is_never_created_from(api: Api, kind: Kind) -> None:
    answer = await apply(api, kind, "a", body=kind.manifest("a", uid="some"))
    assert answer.code == 409
    assert "uid mismatch" in answer.body["message"]


async def test_nothing_is_applied_into_a_namespace_that_does_not_exist(api: Api) -> None:
    elsewhere = Kind("ConfigMap", "", "v1", "configmaps", "nowhere")
    assert (await apply(api, elsewhere, "a")).code == 404


async def test_finalizers_are_a_set_with_an_owner_each(api: Api, kind: Kind) -> None:
    await apply(api, kind, "a", "one", body=kind.manifest("a", finalizers=["x/one"]))
    both = await apply(api, kind, "a", "two", body=kind.manifest("a", finalizers=["x/two"]))
    assert sorted(both.body["metadata"]["finalizers"]) == ["x/one", "x/two"]
    left = await apply(api, kind, "a", "one")
    assert left.body["metadata"]["finalizers"] == ["x/two"]


async def test_owners_are_told_apart_by_their_uid(api: Api) -> None:
    def owner(uid: str, **more: Any) -> Object:
        return {"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": uid, **more}

    await apply(api, CONFIG_MAP, "a", "one", body=CONFIG_MAP.manifest("a", ownerReferences=[owner("1")]))
    both = await apply(api, CONFIG_MAP, "a", "two", body=CONFIG_MAP.manifest("a", ownerReferences=[owner("2")]))
    assert [each["uid"] for each in both.body["metadata"]["ownerReferences"]] == ["1", "2"]
    fields = managers(both.body)["two", "Apply"]
    assert fields == {"f:metadata": {"f:ownerReferences": {'k:{"uid":"2"}': {}}}}


async def test_status_is_applied_through_its_subresource_only(api: Api) -> None:
    await api.create(MACHINE_NODE, "a")
    status = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    ignored = await apply(api, MACHINE_NODE, "a", "one", body=status)
    assert "conditions" not in ignored.body.get("status", {})
    applied = await apply(
        api, MACHINE_NODE, "a", "one", body={**labelled(MACHINE_NODE, "a", x="1"), **status}, at="/status"
    )
    assert applied.code == 200
    assert applied.body["status"]["conditions"][0]["status"] == "True"
    assert applied.body["metadata"]["labels"] == {"x": "1"}
    [entry] = [each for each in applied.body["metadata"]["managedFields"] if each.get("subresource") == "status"]
    assert entry["fieldsV1"] == {
        "f:metadata": {"f:labels": {"f:x": {}}},
        "f:status": {"f:conditions": {'k:{"type":"Ready"}': {".": {}, "f:status": {}, "f:type": {}}}},
    }
    missing = await apply(api, MACHINE_NODE, "b", "one", body=status, at="/status")
    assert missing.code == 404


MACHINE_NODE = Kind("Node", "", "v1", "nodes")


def machine(kind: Kind, **spec: Any) -> Object:
    return {**kind.manifest("vm"), "spec": spec}


TEMPLATE = {"spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}}}


async def test_managers_of_different_versions_meet_in_the_fields_that_mean_the_same(api: Api) -> None:
    await apply(api, MACHINE, "vm", "new", body=machine(MACHINE, runStrategy="Always", template=TEMPLATE))
    old = {"spec": {"domain": {"devices": {}, "memory": {"value": 128, "unit": "MiB"}}}}
    refused = await apply(api, OLD_MACHINE, "vm", "old", body=machine(OLD_MACHINE, template=old))
    assert refused.code == 409
    assert refused.body["details"]["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "new"',
            "field": ".spec.template.spec.domain.memory.guest",
        }
    ]
    forced = await apply(api, OLD_MACHINE, "vm", "old", body=machine(OLD_MACHINE, template=old), force="true")
    assert forced.code == 200
    stored = await api.get(MACHINE, "vm")
    assert stored
    assert stored["spec"]["template"]["spec"]["domain"]["memory"]["guest"] == "128Mi"
    versions = {entry["manager"]: entry["apiVersion"] for entry in stored["metadata"]["managedFields"]}
    assert versions == {"new": "kubevirt.io/v1", "old": "kubevirt.io/v1alpha1"}
    assert "f:memory" not in managers(stored)["new", "Apply"]["f:spec"]["f:template"]["f:spec"]["f:domain"]


async def test_an_applier_may_change_its_version(api: Api) -> None:
    old = {"spec": {"domain": {"devices": {}, "memory": {"value": 64, "unit": "MiB"}}}}
    body = machine(OLD_MACHINE, running=True, template=old)
    body["metadata"]["labels"] = {"x": "1"}
    assert (await apply(api, OLD_MACHINE, "vm", body=body)).code == 201
    again = await apply(api, MACHINE, "vm", body=machine(MACHINE, runStrategy="Always", template=TEMPLATE))
    assert again.code == 200, again.body
    assert "x" not in again.body["metadata"].get("labels", {})
    [entry] = [each for each in again.body["metadata"]["managedFields"] if each["operation"] == "Apply"]
    assert entry["apiVersion"] == "kubevirt.io/v1"


async def test_an_update_in_another_version_takes_fields_by_their_meaning(api: Api) -> None:
    old = {"spec": {"domain": {"devices": {}, "memory": {"value": 64, "unit": "MiB"}}}}
    await apply(api, OLD_MACHINE, "vm", "old", body=machine(OLD_MACHINE, running=False, template=old))
    guest = {"spec": {"template": {"spec": {"domain": {"memory": {"guest": "128Mi"}}}}}}
    changed = await api.patch(MACHINE, "vm", guest)
    fields = managers(changed)["old", "Apply"]["f:spec"]
    assert "f:running" in fields
    # 128Mi is 128 MiB: the value is another one, the unit is not.
    assert fields["f:template"]["f:spec"]["f:domain"]["f:memory"] == {"f:unit": {}}


async def test_an_old_client_that_drops_what_it_does_not_know_takes_it_from_nobody(api: Api) -> None:
    await apply(api, MACHINE, "vm", "new", body=machine(MACHINE, runStrategy="Manual", template=TEMPLATE))
    seen = await api.get(OLD_MACHINE, "vm")
    assert seen
    seen["metadata"].pop("annotations", None)
    seen["metadata"]["labels"] = {"x": "1"}
    updated = await api.call("PUT", f"{OLD_MACHINE.path}/vm", seen, fieldManager="old")
    assert managers(updated.body)["old", "Update"] == {"f:metadata": {"f:labels": {".": {}, "f:x": {}}}}
    stored = await api.get(MACHINE, "vm")
    assert stored
    assert stored["spec"]["runStrategy"] == "Manual"
    assert "f:runStrategy" in managers(stored)["new", "Apply"]["f:spec"]
