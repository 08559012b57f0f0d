"""Ownership of fields. The cases in ``merges`` are what Kubernetes' structured-merge-diff does, written down."""

from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiserver.machinery.applying import problems
from apiserver.machinery.cloning import clone
from apiserver.machinery.fieldmanager import FieldManager, Writer
from apiserver.machinery.fields import paths, text
from apiserver.machinery.managers import (
    ContestedError,
    Identity,
    MalformedError,
    Manager,
    Managers,
    capped,
    conflict,
    decode,
    decode_foreign,
    encode,
    is_reset,
    same_but_times,
)
from apiserver.machinery.resource import Object
from apiserver.machinery.structural import Compiler, Node

MERGES = Path(__file__).parent / "merges"
CASES = orjson.loads((MERGES / "cases.json").read_bytes())
NODE = Compiler(yaml.safe_load((MERGES / "schema.yaml").read_text())).root("K")


class OneVersion:
    def node(self, api_version: str) -> Node:
        if api_version != "v1":
            raise KeyError(api_version)
        return NODE

    def convert(self, obj: Object, source: str, target: str) -> Object:
        assert source == "v1"
        self.node(target)
        return obj


FIELDS = FieldManager(versions=OneVersion(), only="spec")
EVERYTHING = FieldManager(versions=OneVersion(), unowned_annotations="carried/")


def writer(name: str, time: str = "2020-01-01T00:00:00Z") -> Writer:
    return Writer(name=name, api_version="v1", time=time)


def obj(spec: Any = None, **metadata: Any) -> Object:
    return {"metadata": metadata} | ({} if spec is None else {"spec": spec})


def owned(managers: Managers) -> dict[str, Any]:
    return {key.name: manager.fields.get("f:spec") for key, manager in managers.items()}


class State:
    """An object that several write to."""

    def __init__(self) -> None:
        self.live = obj()
        self.managers: Managers = {}

    def update(self, spec: Any, by: str) -> None:
        self.managers = FIELDS.update(self.managers, {"v1": self.live}, {"v1": obj(spec)}, writer(by))
        self.live = obj(spec)

    def apply(self, spec: Any, by: str, *, force: bool = False) -> None:
        live, self.managers = FIELDS.apply(self.managers, self.live, obj(spec), writer(by), force=force)
        self.live = clone(live)


@pytest.mark.parametrize("steps", CASES)
def test_applies_and_updates_do_what_structured_merge_diff_does(steps: list[dict[str, Any]]) -> None:
    state = State()
    for step in steps:
        before = orjson.dumps([state.live, [each.fields for each in state.managers.values()]])
        try:
            if "update" in step:
                state.update(step["update"], step["by"])
            else:
                state.apply(step["apply"], step["by"], force=step.get("force", False))
        except ContestedError as refused:
            told = {(key.name, text(path)) for key, fields in refused.contested.items() for path in paths(fields)}
            assert told == {(manager, field) for manager, field in step["conflicts"]}
            assert orjson.dumps([state.live, [each.fields for each in state.managers.values()]]) == before
        else:
            assert "conflicts" not in step
            assert state.live.get("spec", {}) == step["then"]
            assert owned(state.managers) == step["managed"]


FAST = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
letters = st.sampled_from("uvwxyz")
values = st.sampled_from("12")
things = st.fixed_dictionaries({}, optional={"value": values, "tags": st.lists(letters, unique=True, max_size=3)})
specs = st.fixed_dictionaries(
    {},
    optional={
        "s": values,
        "obj": st.fixed_dictionaries({}, optional={"a": values, "b": values}),
        "map": st.dictionaries(letters, values, max_size=3),
        "atomicmap": st.dictionaries(letters, values, max_size=2),
        "list": st.lists(values, max_size=3),
        "set": st.lists(letters, unique=True, max_size=4),
        "items": st.dictionaries(letters, things, max_size=3).map(
            lambda named: [{"name": name, **thing} for name, thing in named.items()]
        ),
        "any": st.dictionaries(letters, st.recursive(values, lambda v: st.dictionaries(letters, v, max_size=2))),
    },
)


@FAST
@given(specs, specs)
def test_applying_the_same_again_changes_nothing(first: Any, spec: Any) -> None:
    state = State()
    state.update(first, "updater")
    state.apply(spec, "applier", force=True)
    live, managers = state.live, encode(state.managers)
    state.managers = decode(managers)
    state.apply(spec, "applier")
    assert state.live == live
    assert encode(state.managers) == managers


@FAST
@given(specs, specs)
def test_applying_nothing_takes_back_exactly_what_was_applied_alone(theirs: Any, spec: Any) -> None:
    state = State()
    state.apply(theirs, "other")
    before, owners = without_empty(state.live), owned(state.managers).get("other")
    try:
        state.apply(spec, "applier")
    except ContestedError:
        return
    state.apply({}, "applier")
    assert sorted_lists(without_empty(state.live)) == sorted_lists(before)
    assert owned(state.managers).get("other") == owners


def without_empty(value: Any) -> Any:
    """What an applier put where nothing was may stay, empty."""
    if isinstance(value, dict):
        return {k: v for k, v in ((k, without_empty(v)) for k, v in value.items()) if v not in ({}, [])}
    return [without_empty(each) for each in value] if isinstance(value, list) else value


def sorted_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: v if k == "list" else sorted_lists(v) for k, v in value.items()}
    return sorted((sorted_lists(each) for each in value), key=str) if isinstance(value, list) else value


@FAST
@given(specs, specs)
def test_an_applier_that_forces_gets_all_its_values(theirs: Any, spec: Any) -> None:
    state = State()
    state.update(theirs, "updater")
    state.apply(spec, "applier", force=True)
    live = state.live
    state.apply(spec, "another")
    assert state.live == live


def test_metadata_that_the_server_sets_belongs_to_nobody() -> None:
    new = obj(name="a", uid="1", generation=1, labels={"x": "y"}, annotations={"carried/v1": "z"})
    managers = EVERYTHING.update({}, {"v1": obj()}, {"v1": new}, writer("me"))
    fields = managers[Identity("me", "Update", "v1", "")].fields
    assert fields == {"f:metadata": {"f:labels": {".": {}, "f:x": {}}}}


def test_an_update_that_changes_nothing_leaves_no_trace() -> None:
    state = State()
    state.update({"s": "1"}, "one")
    managers = state.managers
    state.update({"s": "1"}, "two")
    assert state.managers == managers


def test_fields_of_a_version_that_is_gone_belong_to_nobody_any_more() -> None:
    old = {Identity("a", "Update", "v0", ""): Manager("v0", {"f:spec": {"f:s": {}}})}
    assert FIELDS.update(old, {"v1": obj({"s": "1"})}, {"v1": obj({"s": "2"})}, writer("b")).keys() == {
        Identity("b", "Update", "v1", "")
    }


def test_who_applies_first_meets_what_was_there_before() -> None:
    state = State()
    state.live = obj({"s": "1"})
    with pytest.raises(ContestedError) as refused:
        state.apply({"s": "2"}, "applier")
    assert [key.name for key in refused.value.contested] == ["before-first-apply"]
    state.apply({"s": "2"}, "applier", force=True)
    assert owned(state.managers)["applier"] == {"f:s": {}}


def test_conflicts_are_told_with_manager_version_and_subresource() -> None:
    one = conflict({Identity("kubectl-edit", "Update", "apps/v1", ""): {"f:spec": {"f:replicas": {}}}})
    assert one.code == 409
    assert one.message == 'Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1: .spec.replicas'
    assert one.details["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl-edit" using apps/v1',
            "field": ".spec.replicas",
        }
    ]
    several = conflict(
        {
            Identity("b", "Apply", "", ""): {"f:x": {}},
            Identity("a", "Update", "v1", "status"): {"f:y": {}, "f:z": {}},
        }
    )
    assert several.message == (
        'Apply failed with 3 conflicts: conflicts with "a" with subresource "status" using v1:\n- .y\n- .z\n'
        'conflicts with "b":\n- .x'
    )


def test_the_oldest_updaters_beyond_ten_are_merged() -> None:
    managers = {
        Identity(f"m{i:02}", "Update", "v1", ""): Manager("v1", {f"f:{i}": {}}, f"2020-01-01T00:00:{i:02}Z")
        for i in range(13)
    }
    managers[Identity("applier", "Apply", "", "")] = Manager("v1", {"f:a": {}})
    kept = capped(managers)
    assert len(kept) == 11
    assert kept[Identity("ancient-changes", "Update", "v1", "")].fields == {f"f:{i}": {} for i in range(4)}
    assert kept.keys() - managers.keys() == {Identity("ancient-changes", "Update", "v1", "")}
    assert capped(kept) == kept


ENTRY = {
    "manager": "m",
    "operation": "Update",
    "apiVersion": "v1",
    "time": "2020-01-01T00:00:00Z",
    "fieldsType": "FieldsV1",
    "fieldsV1": {"f:a": {}},
    "subresource": "status",
}


def test_entries_survive_being_read_and_written() -> None:
    assert encode(decode([ENTRY])) == [ENTRY]
    assert encode(decode_foreign([ENTRY])) == [ENTRY]


@pytest.mark.parametrize(
    "change",
    [
        {"operation": "Guess"},
        {"apiVersion": ""},
        {"apiVersion": 1},
        {"fieldsType": "FieldsV2"},
        {"fieldsV1": {"a": {}}},
        {"manager": 1},
        {"time": 1},
    ],
)
def test_entries_that_mean_nothing_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        decode_foreign([{**ENTRY, **change}])


@pytest.mark.parametrize("entries", [[1], {"a": 1}, "x", [{}, {}]])
def test_what_is_no_list_of_entries_is_refused(entries: Any) -> None:
    with pytest.raises(MalformedError):
        decode_foreign(entries)


def test_empty_lists_and_entries_ask_to_forget() -> None:
    assert [is_reset(entries) for entries in ([], [{}], None, [{}, {}], [ENTRY])] == [True, True, False, False, False]


def test_times_alone_make_no_difference() -> None:
    later = {**ENTRY, "time": "2021-01-01T00:00:00Z"}
    assert same_but_times([ENTRY], [later])
    assert not same_but_times([ENTRY], [{**later, "manager": "n"}])
    assert not same_but_times([ENTRY], [ENTRY, ENTRY])


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"nope": 1}, [".spec.nope: field not declared in schema"]),
        ({"items": [{"name": "a", "nope": 1}]}, ['.spec.items[name="a"].nope: field not declared in schema']),
        ({"items": [{"name": "a"}, {"name": "a"}]}, ['.spec.items: duplicate entries for key [name="a"]']),
        ({"set": ["a", "a"]}, ['.spec.set: duplicate entries for key [="a"]']),
        ({"ports": [{"name": "a"}, {"name": "a", "proto": "UDP"}]}, []),
        ({"any": {"x": {"y": 1}}, "map": {"k": "v"}}, []),
    ],
)
def test_a_configuration_that_cannot_be_merged_is_told_why(spec: Any, told: list[str]) -> None:
    assert list(problems(NODE, {"spec": spec})) == told


def test_items_without_a_key_are_told() -> None:
    [told] = problems(NODE, {"spec": {"items": [{"value": "1"}]}})
    assert told.startswith(
        ".spec.items: element 0: associative list with keys has an element that omits all key fields"
    )
    assert len(list(problems(NODE, {"spec": {"items": [None, "a"], "set": [None]}}))) == 3
