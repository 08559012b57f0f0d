import copy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.machinery.conversion import Lossless

NOTE = "virtplane.io/unconverted-v1alpha1"


class ZooSpoke:
    """The old version calls a motto slogan, counts sizes in tens, and knows neither moats nor a cage's colour."""

    def to_hub(self, old: dict[str, Any]) -> dict[str, Any]:
        spec = {k: v for k, v in old["spec"].items() if k not in ("slogan", "cages", "oldOnly")}
        if "slogan" in old["spec"]:
            spec["motto"] = old["spec"]["slogan"]
        if "cages" in old["spec"]:
            spec["cages"] = [
                {"name": c["name"]} | ({"size": c["tens"] * 10} if "tens" in c else {}) for c in old["spec"]["cages"]
            ]
        return {**old, "apiVersion": "zoo.io/v1", "spec": spec}

    def from_hub(self, hub: dict[str, Any]) -> dict[str, Any]:
        spec = {k: v for k, v in hub["spec"].items() if k not in ("motto", "cages", "moat")}
        if "motto" in hub["spec"]:
            spec["slogan"] = hub["spec"]["motto"]
        if "cages" in hub["spec"]:
            spec["cages"] = [
                {"name": c["name"]} | ({"tens": c["size"] // 10} if "size" in c else {}) for c in hub["spec"]["cages"]
            ]
        return {**hub, "apiVersion": "zoo.io/v1alpha1", "spec": spec}


CONVERSION = Lossless("v1alpha1", ZooSpoke())

names = st.sampled_from("abcdef")
cages = st.lists(
    st.fixed_dictionaries(
        {"name": names}, optional={"size": st.integers(0, 99), "colour": st.sampled_from(["red", "blue"])}
    ),
    max_size=4,
    unique_by=lambda cage: cage["name"],
)
int64 = st.integers(-(2**63), 2**63 - 1)
moats = st.recursive(int64 | st.none() | st.booleans(), lambda s: st.lists(s) | st.dictionaries(names, s))
hub_specs = st.fixed_dictionaries(
    {}, optional={"motto": st.text(), "open": st.booleans(), "cages": cages, "moat": moats}
)


def hub_of(spec: dict[str, Any], **annotations: str) -> dict[str, Any]:
    metadata = {"name": "z"} | ({"annotations": annotations} if annotations else {})
    return {"apiVersion": "zoo.io/v1", "kind": "Zoo", "metadata": metadata, "spec": spec}


@given(hub_specs)
def test_an_object_survives_the_way_to_the_old_version_and_back(spec: dict[str, Any]) -> None:
    hub = hub_of(spec)
    before = copy.deepcopy(hub)
    old = CONVERSION.from_hub(hub)
    assert hub == before
    assert CONVERSION.to_hub(old) == before


@given(hub_specs, st.text(max_size=5), st.randoms())
def test_editing_through_the_old_version_never_erases_newer_fields(
    spec: dict[str, Any], slogan: str, random: Any
) -> None:
    old = CONVERSION.from_hub(hub_of(spec))
    old["spec"]["slogan"] = slogan
    random.shuffle(old["spec"].get("cages", []))
    hub = CONVERSION.to_hub(old)
    assert hub["spec"]["motto"] == slogan
    assert hub["spec"].get("moat", "none") == spec.get("moat", "none")
    by_name = {cage["name"]: cage for cage in hub["spec"].get("cages", [])}
    assert by_name == {cage["name"]: cage for cage in spec.get("cages", [])}
    assert NOTE not in hub["metadata"].get("annotations", {})


@given(hub_specs)
def test_a_client_that_drops_annotations_erases_nothing(spec: dict[str, Any]) -> None:
    current = hub_of(spec)
    old = CONVERSION.from_hub(current)
    old["metadata"].pop("annotations", None)
    assert CONVERSION.to_hub(old, current) == current


@given(hub_specs, int64)
def test_what_the_hub_cannot_say_is_carried_the_other_way(spec: dict[str, Any], extra: int) -> None:
    old = CONVERSION.from_hub(hub_of(spec))
    old["spec"]["oldOnly"] = extra
    hub = CONVERSION.to_hub(old)
    assert NOTE in hub["metadata"]["annotations"]
    assert CONVERSION.from_hub(hub) == old


def test_a_removed_item_does_not_come_back_and_its_neighbours_keep_their_fields() -> None:
    spec = {"cages": [{"name": "a", "colour": "red"}, {"name": "b", "colour": "blue"}]}
    old = CONVERSION.from_hub(hub_of(spec))
    del old["spec"]["cages"][0]
    assert CONVERSION.to_hub(old)["spec"] == {"cages": [{"name": "b", "colour": "blue"}]}


def test_a_changed_value_wins_over_the_one_it_stood_for() -> None:
    old = CONVERSION.from_hub(hub_of({"cages": [{"name": "a", "size": 64}]}))
    assert CONVERSION.to_hub(old)["spec"]["cages"][0]["size"] == 64
    old["spec"]["cages"][0]["tens"] = 9
    assert CONVERSION.to_hub(old)["spec"]["cages"][0]["size"] == 90


def test_other_annotations_stay_and_nothing_is_added_without_need() -> None:
    hub = hub_of({"motto": "x"}, mine="yes")
    assert CONVERSION.from_hub(hub)["metadata"]["annotations"] == {"mine": "yes"}
    lossy = CONVERSION.from_hub(hub_of({"moat": 1}, mine="yes"))
    assert orjson.loads(lossy["metadata"]["annotations"][NOTE]) == [{"path": ["spec", "moat"], "value": 1}]


@pytest.mark.parametrize(
    "text",
    ["", "{", "1", "[1]", '[{"path":[]}]', '[{"path":[{"name":"a","at":"x"}]}]', '[{"path":["spec",[0,1],"x"]}]'],
)
def test_a_scribbled_annotation_carries_nothing(text: str) -> None:
    old = {"apiVersion": "zoo.io/v1alpha1", "kind": "Zoo", "metadata": {"annotations": {NOTE: text}}, "spec": {}}
    assert CONVERSION.to_hub(old)["spec"] == {}


def test_of_two_fields_that_exclude_each_other_the_clients_choice_stays() -> None:
    def one_of(hub: dict[str, Any], said: dict[str, Any]) -> None:
        if {"motto", "moat"} <= hub["spec"].keys() and "motto" in said["spec"]:
            del hub["spec"]["moat"]

    conversion = Lossless("v1alpha1", ZooSpoke(), one_of)
    old = conversion.from_hub(hub_of({"moat": 1}))
    assert conversion.to_hub(old)["spec"] == {"moat": 1}
    old["spec"]["slogan"] = "x"
    hub = conversion.to_hub(old)
    assert hub == hub_of({"motto": "x"})
