from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.machinery.errors import StatusError
from apiserver.machinery.patch import JSON_PATCH, MERGE_PATCH, apply_patch

scalars = st.integers(-9, 9) | st.text(max_size=3) | st.booleans()
json_values = st.recursive(
    scalars, lambda s: st.lists(s, max_size=3) | st.dictionaries(st.text(max_size=3), s, max_size=3), max_leaves=8
)
objects = st.dictionaries(st.text(max_size=3), json_values, max_size=4)


def merge_patch_between(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    removed = dict.fromkeys(old.keys() - new.keys())
    return removed | {k: merge_patch_between(old.get(k), v) for k, v in new.items() if k not in old or old[k] != v}


def without_equal_types_confused(old: Any, new: Any) -> bool:
    return orjson.dumps(old, option=orjson.OPT_SORT_KEYS) == orjson.dumps(new, option=orjson.OPT_SORT_KEYS)


@given(objects, objects)
def test_a_merge_patch_turns_one_object_into_another(old: dict[str, Any], new: dict[str, Any]) -> None:
    before = orjson.dumps(old)
    patched = apply_patch(MERGE_PATCH, orjson.dumps(merge_patch_between(old, new)), old)
    assert patched == new
    assert orjson.dumps(old) == before


@given(objects, objects)
def test_a_json_patch_turns_one_object_into_another(old: dict[str, Any], new: dict[str, Any]) -> None:
    operations = [{"op": "remove", "path": "/" + pointer(key)} for key in old]
    operations += [{"op": "add", "path": "/" + pointer(key), "value": value} for key, value in new.items()]
    before = orjson.dumps(old)
    patched = apply_patch(f"{JSON_PATCH}; charset=utf-8", orjson.dumps(operations), old)
    assert without_equal_types_confused(patched, new)
    assert orjson.dumps(old) == before


def pointer(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def test_null_in_a_merge_patch_removes_also_inside_new_members() -> None:
    assert apply_patch(MERGE_PATCH, b'{"a":null,"b":{"c":null,"d":1}}', {"a": 1}) == {"b": {"d": 1}}


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("application/strategic-merge-patch+json", b"{}", 415),
        ("application/json", b"{}", 415),
        (JSON_PATCH, b"{", 400),
        (JSON_PATCH, b"{}", 400),
        (JSON_PATCH, b'[{"op":"fly","path":"/a"}]', 400),
        (JSON_PATCH, b'[{"path":"/a"}]', 400),
        (JSON_PATCH, b"[1]", 400),
        (JSON_PATCH, b'[{"op":"test","path":"/a","value":2}]', 422),
        (JSON_PATCH, b'[{"op":"remove","path":"/nothing"}]', 422),
        (JSON_PATCH, b'[{"op":"add","path":"/a/b/c","value":1}]', 422),
        (JSON_PATCH, b'[{"op":"replace","path":"","value":1}]', 422),
        (JSON_PATCH, orjson.dumps([{"op": "test", "path": "/a", "value": 1}] * 10_001), 413),
        (MERGE_PATCH, b"[]", 400),
        (MERGE_PATCH, b"nope", 400),
        (MERGE_PATCH, b'{"a":' * 300 + b"1" + b"}" * 300, 400),
        (MERGE_PATCH, b'{"a":' * 5000 + b"1" + b"}" * 5000, 400),
        (JSON_PATCH, b'[{"op":"add","path":"/b","value":' + b"[" * 300 + b"]" * 300 + b"}]", 400),
    ],
)
def test_a_patch_that_cannot_be_applied_is_told_by_its_code(content_type: str, body: bytes, code: int) -> None:
    with pytest.raises(StatusError) as caught:
        apply_patch(content_type, body, {"a": 1})
    assert caught.value.code == code
