import re
from typing import Any

from apiserver.machinery import objectmeta


def test_new_metadata_gets_what_only_the_server_gives() -> None:
    metadata: dict[str, Any] = {"generateName": "vm-", "uid": "mine", "resourceVersion": "7", "deletionTimestamp": "x"}
    objectmeta.fill_new_metadata(metadata, "default")
    assert metadata["name"].startswith("vm-")
    assert metadata["namespace"] == "default"
    assert len(metadata["uid"]) == 36
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", metadata["creationTimestamp"])
    assert metadata.keys() == {"generateName", "name", "namespace", "uid", "creationTimestamp"}


def fields(metadata: dict[str, Any]) -> list[tuple[str, str]]:
    return [(error.reason, error.field) for error in objectmeta.validate_metadata(metadata)]


def test_good_metadata_has_no_errors() -> None:
    owner = {"apiVersion": "v1", "kind": "VM", "name": "a", "uid": "u", "controller": True}
    metadata = {"name": "a", "generateName": "a-", "labels": {"a": ""}, "annotations": {"K/B": "any\ntext"}}
    assert fields({**metadata, "finalizers": ["a.io/keep"], "ownerReferences": [owner]}) == []


def test_every_fault_in_metadata_is_told() -> None:
    owner = {"apiVersion": "v1", "kind": "VM", "name": "a", "uid": "u", "controller": True}
    metadata = {
        "name": "A",
        "labels": {"-": "x", "a": "-"},
        "annotations": {"a b": "", "big": "x" * 300_000},
        "finalizers": ["not a key"],
        "ownerReferences": [owner, owner | {"uid": ""}],
    }
    assert fields(metadata) == [
        ("FieldValueInvalid", "metadata.name"),
        ("FieldValueInvalid", "metadata.labels"),
        ("FieldValueInvalid", "metadata.labels"),
        ("FieldValueInvalid", "metadata.annotations"),
        ("FieldValueTooLong", "metadata.annotations"),
        ("FieldValueInvalid", "metadata.finalizers"),
        ("FieldValueInvalid", "metadata.ownerReferences[1].uid"),
        ("FieldValueInvalid", "metadata.ownerReferences"),
    ]


def test_a_name_is_required() -> None:
    assert fields({}) == [("FieldValueRequired", "metadata.name")]


def test_identity_never_changes_and_a_dying_object_takes_no_new_finalizers() -> None:
    old = {"name": "a", "uid": "u", "deletionTimestamp": "t", "finalizers": ["a.io/x"]}
    new = old | {"uid": "v", "finalizers": ["a.io/x", "a.io/y"]}
    assert [e.field for e in objectmeta.validate_metadata_update(new, old)] == ["metadata.uid", "metadata.finalizers"]
    assert not list(objectmeta.validate_metadata_update(old | {"finalizers": []}, old))
