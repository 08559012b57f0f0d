"""What no well-meaning client sends is the client's fault, and tells nobody what they did not know."""

import json
from typing import Any

import orjson
import pytest

from tests.conformance.api import CONFIG_MAP, Api, Kind

APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
SECRET = Kind("Secret", "", "v1", "secrets", "default")
LEVELS = 300
DEEP = b"[" * LEVELS + b"]" * LEVELS


def config_map(**metadata: Any) -> bytes:
    return orjson.dumps(CONFIG_MAP.manifest("a", **metadata))


@pytest.mark.parametrize("manager", ["kubectl", "somebody"])
@pytest.mark.parametrize("annotations", [5, [1], True, "text"])
async def test_metadata_of_the_wrong_type_cannot_be_applied(api: Api, annotations: Any, manager: str) -> None:
    await api.create(CONFIG_MAP, "a")
    for name in ("a", "b"):
        answer = await api.call(
            "PATCH",
            f"{CONFIG_MAP.path}/{name}",
            orjson.dumps(CONFIG_MAP.manifest(name, annotations=annotations)),
            content_type=APPLY,
            fieldManager=manager,
        )
        assert answer.code == 400
        assert ".metadata.annotations: expected map" in answer.body["message"]


async def test_kubectl_may_apply_annotations_that_are_null(api: Api) -> None:
    for code in (201, 200):
        answer = await api.call(
            "PATCH",
            f"{CONFIG_MAP.path}/a",
            config_map(annotations=None),
            content_type=APPLY,
            fieldManager="kubectl",
        )
        assert answer.code == code


@pytest.mark.parametrize(
    "last",
    [
        '{"apiVersion": "v1", "metadata": null}',
        '{"apiVersion": "v1", "metadata": []}',
        '{"apiVersion": "v1", "metadata": {"annotations": 5}}',
        '{"apiVersion": "v1", "metadata": {"finalizers": ' + DEEP.decode() + "}}",
        "[]",
        "no JSON",
    ],
    ids=lambda text: text[:50],
)
async def test_what_kubectl_has_not_written_as_last_applied_only_makes_conflicts(api: Api, last: str) -> None:
    body = {**CONFIG_MAP.manifest("a", annotations={LAST_APPLIED: last}), "data": {"x": "1"}}
    assert (await api.call("POST", CONFIG_MAP.path, body, fieldManager="other")).code == 201
    config = orjson.dumps({**CONFIG_MAP.manifest("a"), "data": {"x": "2"}})
    answer = await api.call("PATCH", f"{CONFIG_MAP.path}/a", config, content_type=APPLY, fieldManager="kubectl")
    assert (answer.code, answer.body["reason"]) == (409, "Conflict")


@pytest.mark.parametrize("content_type", [APPLY, MERGE_PATCH, STRATEGIC_PATCH])
@pytest.mark.parametrize("field", ["finalizers", "labels", "$deleteFromPrimitiveList/finalizers"])
async def test_what_is_nested_too_deeply_is_refused_in_every_way_to_write(
    api: Api, field: str, content_type: str
) -> None:
    await api.create(CONFIG_MAP, "a", finalizers=["example.com/a"])
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"%b":%b}}' % (field.encode(), DEEP)
    named = {"fieldManager": "m"} if content_type == APPLY else {}
    answer = await api.call("PATCH", f"{CONFIG_MAP.path}/a", body, content_type=content_type, **named)
    assert answer.code == 400
    assert "nested too deeply" in answer.body["message"]


async def test_a_copy_from_nowhere_is_no_json_patch(api: Api) -> None:
    await api.create(CONFIG_MAP, "a")
    body = b'[{"op": "copy", "path": "/data"}]'
    answer = await api.call("PATCH", f"{CONFIG_MAP.path}/a", body, content_type=JSON_PATCH)
    assert answer.code == 400


async def test_a_grace_period_of_more_than_64_bits_is_refused(api: Api) -> None:
    await api.create(CONFIG_MAP, "a")
    answer = await api.call("DELETE", f"{CONFIG_MAP.path}/a", gracePeriodSeconds="9" * 5000)
    assert answer.code == 400
    answer = await api.delete(CONFIG_MAP, "a", {"gracePeriodSeconds": 1 << 63})
    assert answer.code == 400
    assert (await api.delete(CONFIG_MAP, "a", {"gracePeriodSeconds": (1 << 63) - 1})).code == 200


@pytest.mark.parametrize("content_type", [APPLY, MERGE_PATCH])
async def test_of_a_million_mistakes_a_few_are_told_and_none_at_length(api: Api, content_type: str) -> None:
    await api.create(CONFIG_MAP, "a")
    wrong = {f"{'x' * 5_000}{number}": 1 for number in range(190)}
    for mistakes in (wrong, {"metadata": {"name": "a", "labels": ["x" * 500_000]}}):
        answer = await api.call(
            "PATCH",
            f"{CONFIG_MAP.path}/a",
            orjson.dumps({**CONFIG_MAP.manifest("a"), **mistakes}),
            content_type=content_type,
            fieldManager="m",
            fieldValidation="Strict",
        )
        assert answer.code in (400, 422)
        assert len(json.dumps(answer.body)) < 250_000


@pytest.mark.parametrize(
    ("content_type", "body"),
    [(JSON_PATCH, b'[{"op": "test", "path": "/data/x", "value": "guess"}]'), (MERGE_PATCH, b'{"unknown": 1}')],
    ids=["test operation", "strict validation"],
)
async def test_a_refused_patch_does_not_tell_what_a_secret_holds(api: Api, content_type: str, body: bytes) -> None:
    await api.call("POST", SECRET.path, {**SECRET.manifest("s"), "data": {"x": "aGlkZGVu"}})
    answer = await api.call("PATCH", f"{SECRET.path}/s", body, content_type=content_type, fieldValidation="Strict")
    assert answer.code == 422
    assert "aGlkZGVu" not in json.dumps(answer.body)
    assert '"kind": "Secret"' not in answer.body["message"]


async def test_plain_text_of_a_secret_is_owned_where_it_is_kept(api: Api) -> None:
    body = {**SECRET.manifest("s"), "stringData": {"x": "hidden"}}
    created = await api.call("POST", SECRET.path, body, fieldManager="m")
    assert created.body["data"] == {"x": "aGlkZGVu"}
    (entry,) = created.body["metadata"]["managedFields"]
    assert entry["fieldsV1"] == {"f:data": {".": {}, "f:x": {}}}
    config = orjson.dumps({**SECRET.manifest("s"), "data": {"x": "b3RoZXI="}})
    answer = await api.call("PATCH", f"{SECRET.path}/s", config, content_type=APPLY, fieldManager="other")
    assert (answer.code, answer.body["details"]["causes"][0]["field"]) == (409, ".data.x")
