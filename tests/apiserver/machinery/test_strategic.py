"""Strategic merge patches, by the rules of ``k8s.io/apimachinery/pkg/util/strategicpatch``."""

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiserver.machinery.errors import StatusError
from apiserver.machinery.patch import STRATEGIC_PATCH, apply_patch
from apiserver.machinery.structural import Compiler

NODE = Compiler(
    {
        "K": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "plain": {"type": "array", "items": {"type": "string"}},
                "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-patch-strategy": "merge"},
                "list": {
                    "type": "array",
                    "items": {"$ref": "#/components/schemas/K"},
                    "x-kubernetes-patch-strategy": "merge",
                    "x-kubernetes-patch-merge-key": "name",
                },
                "whole": {"type": "object", "x-kubernetes-patch-strategy": "replace"},
                "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        }
    }
).root("K")


def patched(original: Any, patch: Any) -> Any:
    before = orjson.dumps(original)
    result = apply_patch(STRATEGIC_PATCH, orjson.dumps(patch), original, NODE)
    assert orjson.dumps(original) == before
    return result


def items(*names: str, **more: Any) -> list[dict[str, Any]]:
    return [{"name": name, **more} for name in names]


@pytest.mark.parametrize(
    ("original", "patch", "result"),
    [
        ({"any": {"a": 1, "b": 2}}, {"any": {"b": None, "c": 3}}, {"any": {"a": 1, "c": 3}}),
        ({}, {"any": {"a": None, "b": {"c": None, "d": 1}}}, {"any": {"b": {"d": 1}}}),
        ({"plain": ["a", "b"]}, {"plain": ["c"]}, {"plain": ["c"]}),
        ({"any": {"l": [1, 2]}}, {"any": {"l": [3]}}, {"any": {"l": [3]}}),
        ({"set": ["a", "b"]}, {"set": ["c", "a"]}, {"set": ["c", "a", "b"]}),
        ({"set": ["a", "b", "c"]}, {"$deleteFromPrimitiveList/set": ["b", "x"]}, {"set": ["a", "c"]}),
        ({"set": ["a"]}, {"set": ["b"], "$deleteFromPrimitiveList/set": ["a"]}, {"set": ["b"]}),
        ({"set": ["c", "a"]}, {"$setElementOrder/set": ["a", "c"]}, {"set": ["a", "c"]}),
        ({}, {"$setElementOrder/set": ["a", "c"]}, {}),
        (
            {"list": items("a", "b")},
            {"list": items("b", any={"x": 1})},
            {"list": [*items("a"), *items("b", any={"x": 1})]},
        ),
        ({"list": items("a")}, {"list": items("b")}, {"list": items("b", "a")}),
        ({"list": items("a", "b")}, {"list": [{"name": "a", "$patch": "delete"}]}, {"list": items("b")}),
        ({"list": items("a", "b")}, {"list": [{"$patch": "replace"}, *items("c")]}, {"list": items("c")}),
        ({"list": items("a", plain=["x"])}, {"list": items("a", plain=None)}, {"list": items("a")}),
        (
            {"list": items("a", "b", "server")},
            {"list": items("b", "new"), "$setElementOrder/list": items("b", "new", "a")},
            {"list": items("b", "new", "a", "server")},
        ),
        (
            {"list": items("server", "a", "b")},
            {"$setElementOrder/list": items("b", "a")},
            {"list": items("server", "b", "a")},
        ),
        ({"list": [{"name": "a", "list": items("x")}]}, {"list": [{"name": "a", "list": items("y")}]}, None),
        ({"any": {"a": 1, "b": 2}}, {"any": {"$retainKeys": ["b", "c"], "c": 3}}, {"any": {"b": 2, "c": 3}}),
        ({"any": {"a": 1}}, {"any": {"$patch": "replace", "b": 2}}, {"any": {"b": 2}}),
        ({"any": {"a": 1}}, {"any": {"$patch": "delete"}}, {"any": {}}),
        ({}, {"any": {"$patch": "replace", "b": 2}}, {}),
        ({"whole": {"a": 1}}, {"whole": {"b": 2}}, {"whole": {"b": 2}}),
        ({"name": "a"}, {"name": "b"}, {"name": "b"}),
        ({"any": {"a": "text"}}, {"any": {"a": {"b": 1}}}, {"any": {"a": {"b": 1}}}),
    ],
)
def test_a_patch_merges_by_the_strategy_of_each_field(original: Any, patch: Any, result: Any) -> None:
    if result is None:
        result = {"list": [{"name": "a", "list": items("y", "x")}]}
    assert patched(original, patch) == result


@pytest.mark.parametrize(
    "patch",
    [
        [],
        {"$patch": "fly"},
        {"list": [{"any": {}}]},
        {"list": ["a"]},
        {"list": [{"name": "a", "$patch": "merge"}]},
        {"any": {"$retainKeys": "a"}},
        {"any": {"$retainKeys": ["a"], "b": 1}},
        {"$deleteFromPrimitiveList/set": "a"},
        {"$setElementOrder/list": ["a"]},
        {"$setElementOrder/list": [{}]},
        {"list": items("a", "b"), "$setElementOrder/list": items("b", "a")},
        {"list": items("a", "b"), "$setElementOrder/list": items("a")},
    ],
)
def test_directives_that_make_no_sense_are_refused(patch: Any) -> None:
    with pytest.raises(StatusError) as caught:
        patched({"list": items("a"), "set": ["a"], "any": {}}, patch)
    assert caught.value.code == 400


def test_kinds_that_are_custom_resources_upstream_take_no_strategic_patch() -> None:
    with pytest.raises(StatusError) as caught:
        apply_patch(STRATEGIC_PATCH, b"{}", {})
    assert caught.value.code == 415
    assert STRATEGIC_PATCH not in caught.value.message.partition("include:")[2]


names = st.sampled_from("abcdef")
lists = st.lists(names, unique=True, max_size=5)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(lists, lists)
def test_what_kubectl_apply_sends_turns_one_list_into_another(old: list[str], new: list[str]) -> None:
    patch: dict[str, Any] = {"list": items(*(n for n in new if n not in old))}
    patch["list"] += [{"name": name, "$patch": "delete"} for name in old if name not in new]
    patch["$setElementOrder/list"] = items(*new)
    assert patched({"list": items(*old)}, patch)["list"] == items(*new)


def test_a_long_list_is_merged_in_linear_time() -> None:
    old, new = [str(i) for i in range(100_000)], [str(i) for i in range(50_000, 150_000)]
    assert len(patched({"set": old}, {"set": new})["set"]) == 150_000
