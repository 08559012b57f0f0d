from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiserver.machinery.fields import (
    Fields,
    Path,
    canonical,
    difference,
    from_paths,
    has,
    intersection,
    key_element,
    paths,
    text,
    union,
    value_element,
)

FAST = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
elements = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"', "v:1", "i:0"])
members = st.frozensets(st.lists(elements, min_size=1, max_size=3).map(tuple), max_size=6)


def fields_of(wanted: frozenset[Path]) -> Fields:
    return from_paths(sorted(wanted))


@FAST
@given(members)
def test_a_set_holds_the_paths_that_it_was_made_of(wanted: frozenset[Path]) -> None:
    assert frozenset(paths(fields_of(wanted))) == wanted
    assert all(has(fields_of(wanted), path) for path in wanted)


@FAST
@given(members, members)
def test_sets_of_fields_follow_the_algebra_of_sets(one: frozenset[Path], other: frozenset[Path]) -> None:
    left, right = fields_of(one), fields_of(other)
    before = orjson.dumps([left, right])
    assert union(left, right) == fields_of(one | other)
    assert intersection(left, right) == fields_of(one & other)
    assert difference(left, right) == fields_of(one - other)
    assert orjson.dumps([left, right]) == before


@FAST
@given(members)
def test_a_set_survives_being_written_and_read(wanted: frozenset[Path]) -> None:
    fields = fields_of(wanted)
    assert canonical(orjson.loads(orjson.dumps(fields))) == fields


def test_paths_are_told_as_kubernetes_tells_them() -> None:
    path = ("f:spec", "f:ports", key_element({"protocol": "TCP", "containerPort": 80}), "f:tags", value_element("a"))
    assert text(path) == '.spec.ports[containerPort=80,protocol="TCP"].tags[="a"]'
    assert text(("f:a", "i:3")) == ".a[3]"


def test_members_are_told_before_what_is_below_them() -> None:
    fields: Fields = {"f:b": {}, "f:a": {".": {}, "f:c": {}}}
    assert [text(path) for path in paths(fields)] == [".a", ".b", ".a.c"]


def test_what_clients_write_is_read_whatever_its_spelling() -> None:
    written = {"f:a": {".": {}}, 'k:{"b": 1, "a":"x\\u003c"}': {"f:c": {}}, "z:later": {}}
    assert canonical(written) == {"f:a": {}, 'k:{"a":"x<","b":1}': {"f:c": {}}}


@pytest.mark.parametrize("written", [[], "f:a", {"f:a": 1}, {"a": {}}, {"": {}}, {"k:1": {}}, {"v:{": {}}, {"i:x": {}}])
def test_what_is_no_set_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        canonical(written)
