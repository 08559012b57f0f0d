import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.machinery import objectmeta


@pytest.mark.parametrize("name", ["a", "a.b", "my-vm-0", "a" * 253, "0"])
def test_dns_subdomains_are_good_names(name: str) -> None:
    assert objectmeta.subdomain_problem(name) is None


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a..b", "a_b", "a" * 254, "a\n", "ä"])
def test_anything_else_is_told_what_a_name_is(name: str) -> None:
    assert objectmeta.subdomain_problem(name)


def test_a_label_name_has_no_dots_and_63_characters_at_most() -> None:
    assert objectmeta.label_problem("a" * 63) is None
    assert objectmeta.label_problem("a.b")
    assert objectmeta.label_problem("a" * 64)


@pytest.mark.parametrize(
    ("key", "good"),
    [
        ("app", True),
        ("a.io/App_1", True),
        ("", False),
        ("/a", False),
        ("a.io/", False),
        ("A.io/b", False),
        ("a b", False),
    ],
)
def test_label_keys_are_a_name_with_an_optional_domain(key: str, *, good: bool) -> None:
    assert (objectmeta.key_problem(key) is None) is good


@given(st.from_regex(r"[a-z]([-a-z0-9]{0,80}-)?", fullmatch=True))
def test_a_generated_name_is_the_prefix_and_five_letters_and_always_valid(prefix: str) -> None:
    name = objectmeta.generated_name(prefix)
    assert re.fullmatch(r"[bcdfghjklmnpqrstvwxz2456789]{5}", name[-5:])
    assert prefix.startswith(name[:-5])
    assert objectmeta.label_problem(name) is None


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
