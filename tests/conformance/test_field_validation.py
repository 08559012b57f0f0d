"""Unknown and repeated fields, pruning and defaults (KEP-2885; Kubernetes API concepts, "Field validation")."""

from typing import Any

import pytest

from tests.conformance.api import NODE, Answer, Api, Kind
from tests.conformance.databases import sqlite_only

database_url = sqlite_only

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
YAML = "application/yaml"
VM = Kind("VirtualMachine", "kubevirt.io", "v1", "virtualmachines", "default")


def warnings(answer: Answer) -> list[str]:
    """The texts of the Warning headers."""
    headers = answer.headers.getall("Warning", [])  # type: ignore[attr-defined] # a multidict
    return [each.removeprefix('299 - "').removesuffix('"').replace('\\"', '"') for each in headers]


def twice(kind: Kind, name: str, extra: str = "") -> bytes:
    """A manifest with a label given twice and whatever else."""
    return (
        f'{{"apiVersion":"{kind.api_version}","kind":"{kind.kind}","metadata":{{"name":"{name}",'
        f'"labels":{{"a":"1","a":"2"}}}}{extra}}}'
    ).encode()


REPEATED, UNKNOWN = 'duplicate field "metadata.labels.a"', 'unknown field "extra"'


async def test_strict_refuses_repeated_and_unknown_fields_and_stores_nothing(api: Api, kind: Kind) -> None:
    body = twice(kind, "one", ',"extra":1')
    answer = await api.call("POST", kind.path, body, fieldValidation="Strict")
    assert (answer.code, answer.body["reason"]) == (400, "BadRequest")
    assert answer.body["message"] == (
        f'{kind.kind} in version "v1" cannot be handled as a {kind.kind}: strict decoding error: {REPEATED}, {UNKNOWN}'
    )
    assert await api.get(kind, "one") is None


async def test_kubernetes_own_kinds_are_read_in_one_go_and_custom_resources_first_for_what_is_repeated(
    api: Api,
) -> None:
    async def told(kind: Kind, body: str) -> str:
        answer = await api.call("POST", kind.path, body.encode(), fieldValidation="Strict")
        assert answer.code == 400, answer.body
        return str(answer.body["message"]).partition("strict decoding error: ")[2]

    first, second = 'unknown field "spec.colour"', 'duplicate field "spec.unschedulable"'
    node = '{"spec":{"unschedulable":true,"colour":1,"unschedulable":false},"metadata":{"name":"n"},"extra":1}'
    assert await told(NODE, node) == f"{first}, {second}, {UNKNOWN}"
    machine = '{"metadata":{"name":"m"},"extra":1,"spec":{"running":true,"running":false}}'
    assert await told(VM, machine) == f'duplicate field "spec.running", {UNKNOWN}'


async def test_warn_is_the_default_and_tells_each_field_once(api: Api, kind: Kind) -> None:
    for query in ({}, {"fieldValidation": "Warn"}, {"fieldValidation": ""}):
        answer = await api.call("POST", kind.path, twice(kind, "one", ',"extra":1'), **query, dryRun="All")
        assert (answer.code, warnings(answer)) == (201, [REPEATED, UNKNOWN])
        assert answer.body["metadata"]["labels"] == {"a": "2"}
        assert "extra" not in answer.body


async def test_ignore_drops_what_is_unknown_in_silence(api: Api, kind: Kind) -> None:
    answer = await api.call("POST", kind.path, twice(kind, "one", ',"extra":1'), fieldValidation="Ignore")
    assert (answer.code, warnings(answer)) == (201, [])
    assert "extra" not in answer.body


async def test_updates_and_patches_are_validated_as_creates_are(api: Api, kind: Kind) -> None:
    await api.create(kind, "one")
    path = f"{kind.path}/one"
    assert (await api.call("PUT", path, twice(kind, "one"), fieldValidation="Strict")).code == 400
    merge = b'{"metadata":{"labels":{"a":"1","a":"2"}},"extra":1}'
    strict = await api.call("PATCH", path, merge, content_type=MERGE, fieldValidation="Strict")
    assert (strict.code, strict.body["reason"]) == (422, "Invalid")
    assert f"strict decoding error: {REPEATED}, {UNKNOWN}" in strict.body["message"]
    assert strict.body["details"]["causes"][0]["field"] == "patch"
    for media_type in (MERGE, STRATEGIC):
        assert warnings(await api.call("PATCH", path, merge, content_type=media_type)) == [REPEATED, UNKNOWN]
    steps = b'[{"op":"add","op":"add","path":"/extra","value":1}]'
    answer = await api.call("PATCH", path, steps, content_type=JSON_PATCH)
    assert (answer.code, warnings(answer)) == (200, ['json patch duplicate field "[0].op"', UNKNOWN])


async def test_an_applied_configuration_is_validated_too(api: Api, kind: Kind) -> None:
    head = f"apiVersion: v1\nkind: {kind.kind}\nmetadata:\n  name: one\n  labels:\n    a: '1'\n    a: '2'\n".encode()
    path, repeated = f"{kind.path}/one", 'line 7: key "a" already set in map'
    query = {"fieldManager": "test", "fieldValidation": "Strict"}
    strict = await api.call("PATCH", path, head, content_type=APPLY, **query)
    assert (strict.code, repeated in strict.body["message"]) == (400, True)
    warned = await api.call("PATCH", path, head, content_type=APPLY, fieldManager="test")
    assert (warned.code, warnings(warned)) == (201, [repeated])


async def test_a_key_repeated_in_yaml_is_told_with_its_line(api: Api, kind: Kind) -> None:
    head = f"apiVersion: v1\nkind: {kind.kind}\nmetadata:\n  name: one\n  labels:\n    a: '1'\n    a: '2'\nextra: 1\n"
    strict = await api.call("POST", kind.path, head.encode(), content_type=YAML, fieldValidation="Strict")
    assert strict.code == 400
    assert 'line 7: key "a" already set in map' in strict.body["message"]
    warned = await api.call("POST", kind.path, head.encode(), content_type=YAML)
    assert (warned.code, warnings(warned)) == (201, ['line 7: key "a" already set in map', UNKNOWN])


@pytest.mark.parametrize(("name", "value"), [("fieldValidation", "Loose"), ("dryRun", "Some")])
async def test_an_option_that_does_not_exist_is_refused(api: Api, kind: Kind, name: str, value: str) -> None:
    await api.create(kind, "one")
    for method, path, options in (
        ("POST", kind.path, "CreateOptions"),
        ("PUT", f"{kind.path}/one", "UpdateOptions"),
        ("PATCH", f"{kind.path}/one", "PatchOptions"),
    ):
        media_type = MERGE if method == "PATCH" else "application/json"
        answer = await api.call(method, path, kind.manifest("one"), content_type=media_type, **{name: value})
        assert (answer.code, answer.body["details"]["kind"]) == (422, options)
        assert answer.body["details"]["causes"][0]["field"] == name


def machine(**domain: Any) -> dict[str, Any]:
    return {
        **VM.manifest("one"),
        "spec": {
            "runStrategy": "Halted",
            "template": {"spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}, **domain}}},
        },
    }


async def test_an_unknown_field_deep_in_a_spec_is_told_with_its_path(api: Api) -> None:
    body = machine(devices={"disks": [{"name": "a", "disk": {"bus": "virtio", "buss": 1}}], "disk": []})
    answer = await api.call("POST", VM.path, body, dryRun="All", fieldValidation="Strict")
    where = "spec.template.spec.domain.devices"
    assert f'unknown field "{where}.disk", unknown field "{where}.disks[0].disk.buss"' in answer.body["message"]


@pytest.mark.parametrize(
    ("domain", "path"),
    [
        ({"memory": {"guest": 67108864}}, "memory.guest"),
        ({"memory": {"guest": "64Mi"}}, "memory.guest"),
        ({"resources": {"requests": {"memory": "64Mi", "cpu": 1}}}, "resources.requests"),
        ({"resources": {"requests": {"memory": 1.5, "cpu": "100m"}}}, None),
        ({"memory": {"guest": "many"}}, None),
        ({"cpu": {"cores": "2"}}, None),
        ({"cpu": {"cores": 2.5}}, None),
    ],
)
async def test_quantities_are_numbers_or_text_and_counts_are_whole(
    api: Api, domain: dict[str, Any], path: str | None
) -> None:
    answer = await api.call("POST", VM.path, machine(**domain), dryRun="All")
    assert answer.code == (201 if path else 422), answer.body
    if path is None:
        assert answer.body["details"]["causes"][0]["field"].startswith("spec.template.spec.domain.")


async def test_null_is_as_good_as_absent_and_free_form_fields_keep_all_they_hold(api: Api) -> None:
    body = machine(cpu=None, devices={"rng": {}, "disks": None})
    body["spec"]["template"]["metadata"] = {"labels": {"a": "b"}, "creationTimestamp": None}
    body["metadata"]["creationTimestamp"] = None
    answer = await api.call("POST", VM.path, body, dryRun="All", fieldValidation="Strict")
    assert answer.code == 201, answer.body
    template = answer.body["spec"]["template"]
    assert template["metadata"]["labels"] == {"a": "b"}
    assert "cpu" not in template["spec"]["domain"] or template["spec"]["domain"]["cpu"] is not None


async def test_warnings_stay_within_what_clients_read(api: Api, kind: Kind) -> None:
    body = {**kind.manifest("one"), **{f"{'x' * 500}{i}": 1 for i in range(1000)}}
    answer = await api.call("POST", kind.path, body)
    assert answer.code == 201
    assert sum(map(len, warnings(answer))) <= 5000
