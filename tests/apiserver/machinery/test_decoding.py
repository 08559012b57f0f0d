"""What clients send, decoded as Kubernetes does."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.machinery.decoding import from_json, from_yaml, paths
from apiserver.machinery.errors import StatusError


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ('{"a":1,"a":2}', ["a"]),
        ('{"a" : 1, "a" :2}', ["a"]),
        ('{"a":1,"a":2,"a":3}', ["a"]),
        ('{"a":{"b":[{},{"c":1,"c":2}]},"d":1,"d":2}', ["d", "a.b[1].c"]),
        ('{"a":1,"\\u0061":1}', ["a"]),
        ('{"a":":","a":1}', ["a"]),
        ('{"x":"\\u0022:","a":1,"a":2}', ["a"]),
        # Each of these holds as many colons as its value encoded again.
        ('{"x":"\\u003a","a":1,"a":2}', ["a"]),
        ('{"x":"\\u003A","a":1,"a":2}', ["a"]),
        ('{"a":1,"b":{"a":1},"c":"{\\"a\\":1,\\"a\\":1}"}', []),
    ],
)
def test_a_field_given_twice_is_told_with_its_path_and_the_last_one_counts(body: str, paths: list[str]) -> None:
    decoded = from_json(body.encode())
    assert decoded.value == json.loads(body)
    assert sorted(decoded.repeated) == sorted(f'duplicate field "{path}"' for path in paths)
    assert from_json(body.encode(), strict=False).repeated == []


def test_keys_stand_where_they_are_named_last() -> None:
    value = from_json(b'{"a":1,"b":{"x":{"p":1,"q":2,"p":3},"y":2,"x":{"p":1,"q":2,"p":3}},"a":2,"c":[{"d":1}]}').value
    assert list(paths(value)) == ["b", "b.y", "b.x", "b.x.q", "b.x.p", "a", "c", "c[0]", "c[0].d"]


def test_what_a_repeated_field_drops_is_not_taken_for_another_object() -> None:
    # So many that Python gives their places to other objects.
    dropped, empty = ",".join(['"a":{"x":1,"x":2}'] * 300), ",".join(["{}"] * 600)
    decoded = from_json(f'{{"list":[{{{dropped},"a":{{}}}},{empty}]}}'.encode())
    assert decoded.repeated == ['duplicate field "list[0].a"']


_KEYS = st.text(alphabet='ab":\\ \té', max_size=3)
_LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.text(alphabet='a":\\{} \n', max_size=4)
_TREES = st.recursive(_LEAVES, lambda each: st.lists(each, max_size=3) | st.lists(st.tuples(_KEYS, each), max_size=3))


def _written(tree: Any, escape: bool, space: str) -> tuple[str, bool]:
    """A tree, in which a list of pairs is an object, as JSON; and whether an object in it has a key twice."""
    if not isinstance(tree, list):
        text = json.dumps(tree)
        return (text.replace(":", "\\u003a") if escape and isinstance(tree, str) else text), False
    if tree and all(isinstance(each, tuple) for each in tree):
        pairs = [(json.dumps(key), _written(each, escape, space)) for key, each in tree]
        text = "{" + ",".join(f"{key}{space}:{value}" for key, (value, _) in pairs) + "}"
        twice = len({key for key, _ in pairs}) < len(pairs)
        return text, twice or any(inner for _, (_, inner) in pairs)
    parts = [_written(each, escape, space) for each in tree]
    return "[" + ",".join(text for text, _ in parts) + "]", any(twice for _, twice in parts)


@given(_TREES, st.booleans(), st.sampled_from(["", " ", "\n "]))
def test_no_repeated_field_escapes_however_it_is_written(tree: Any, escape: bool, space: str) -> None:
    text, twice = _written([("spec", tree)], escape, space)
    # A repeat inside a value that is itself dropped is not told, but then the drop is.
    assert bool(from_json(text.encode()).repeated) is twice


BROKEN_JSON = [b"", b"{", b"1e400", b"NaN", b'"\\ud800"', b"\xef\xbb\xbf{}", b"\xff", b"{}x", b"[" * 1_000_000]


@pytest.mark.parametrize("body", BROKEN_JSON, ids=lambda body: repr(body[:10]))
def test_what_is_not_json_is_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(StatusError) as refused:
        from_json(body)
    assert (refused.value.code, refused.value.reason) == (400, "BadRequest")
    assert "not valid JSON" in refused.value.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("'yes'", "yes"),
        ("~", None),
        ("", None),
        ("2001-01-01", "2001-01-01"),
        ("12:30", "12:30"),
        ("010", 8),
        ("08", "08"),
        ("0x1F", 31),
        ("-0b11", -3),
        ("1_000", 1000),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("18446744073709551616", 18446744073709551616.0),
        ("9" * 5000, "9" * 5000),
        ("!!str 1", "1"),
        ("1.2.3", "1.2.3"),
        ("-", None),
    ],
)
def test_scalars_mean_what_they_mean_to_kubernetes(text: str, value: Any) -> None:
    if text == "-":
        assert from_yaml(b"a:\n-").value == {"a": [None]}
        return
    decoded = from_yaml(f"a: {text}".encode()).value["a"]
    assert (decoded, type(decoded)) == (value, type(value))


def test_keys_become_text_aliases_copies_and_only_the_first_document_counts() -> None:
    text = b"1: a\ntrue: b\nx: &x {k: [1]}\ny: *x\nz: {<<: *x, m: 2}\n---\nother: 1"
    value = from_yaml(text).value
    assert value == {"1": "a", "true": {"k": [1]}, "x": {"k": [1]}, "z": {"k": [1], "m": 2}}
    assert value["true"]["k"] is not value["x"]["k"]


def test_merged_keys_give_way_to_given_ones() -> None:
    assert from_yaml(b"a: &a {k: 1, l: 2}\nb: {k: 3, <<: [*a]}").value["b"] == {"k": 3, "l": 2}


def test_a_key_given_twice_in_yaml_is_told_with_its_line() -> None:
    decoded = from_yaml(b"a: 1\nb:\n  c: 1\n  c: 2\n")
    assert decoded.value == {"a": 1, "b": {"c": 2}}
    assert decoded.repeated == ['line 4: key "c" already set in map']


def test_json_is_yaml() -> None:
    decoded = from_yaml(b' {"a": 1e2, "a": "\\/"}')
    assert (decoded.value, decoded.repeated) == ({"a": "/"}, ['duplicate field "a"'])


LAUGHS = b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (each + 1, each + 1, b",".join([b"*%c" % each] * 10)) for each in range(97, 110)
)
HARMFUL = {
    "a billion laughs": LAUGHS,
    "text repeated by aliases": b"- &a " + b"x" * 1_000_000 + b"\n- *a" * 5,
    "a node that contains itself": b"&a [*a]",
    "a million nested lists": b"[" * 1_000_000,
    "a thousand nested blocks": b"\n".join(b" " * i + b"-" for i in range(1000)),
    "an infinite number": b"a: .inf",
    "no number": b"a: .NaN",
    "a number too large": b"a: 1e999",
    "half a character": b'a: "\\ud800"',
    "a control character": b"a: \x00",
    "a broken document": b"a: [",
    "a list as a key": b"? [a]\n: 1",
    "an alias for nothing": b"*a",
    "a scalar merged": b"<<: 1",
}


@pytest.mark.parametrize("body", HARMFUL.values(), ids=HARMFUL)
def test_harmful_yaml_is_refused_quickly_with_a_reason(body: bytes) -> None:
    started = time.process_time()
    with pytest.raises(StatusError) as refused:
        from_yaml(body)
    assert (refused.value.code, refused.value.reason) == (400, "BadRequest")
    assert "not valid YAML" in refused.value.message
    assert time.process_time() - started < 2
