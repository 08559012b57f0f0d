import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiserver.machinery.cloning import clone
from apiserver.machinery.schema import Catalogue, CatalogueError, Schema


@pytest.fixture
def zoo(catalogue: Catalogue) -> Schema:
    return catalogue.schema("zoo.io", "v1", "Zoo")


def an_object(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "zoo.io/v1", "kind": "Zoo", "metadata": {"name": "a"}, "spec": {"cages": [], **spec}}


def told(schema: Schema, obj: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(each.reason, each.field, each.message) for each in schema.validate(obj)]


def test_pruning_drops_unknown_fields_and_tells_their_paths(zoo: Schema) -> None:
    obj = an_object(cages=[{"name": "a", "foo": 1, "inner": {"name": "b", "bar": 1}}], foo=1)
    obj |= {"extra": 1}
    assert sorted(zoo.prune(obj)) == ["extra", "spec.cages[0].foo", "spec.cages[0].inner.bar", "spec.foo"]
    assert obj == an_object(cages=[{"name": "a", "inner": {"name": "b"}}])


def test_pruning_leaves_preserved_fields_maps_and_embedded_resources(zoo: Schema) -> None:
    spec = {
        "anything": {"x": {"y": 1}},
        "pet": {"apiVersion": "v1", "kind": "Cat", "metadata": {"name": "m"}, "age": 1},
    }
    obj = an_object(**spec)
    obj["metadata"]["labels"] = {"any.key/x": "y"}
    assert zoo.prune(obj) == []
    obj["spec"]["pet"]["colour"] = "red"
    assert zoo.prune(obj) == ["spec.pet.colour"]


def test_defaults_are_set_inside_list_items_and_not_shared_between_objects(zoo: Schema) -> None:
    first, second = an_object(cages=[{"name": "a"}, {"name": "b", "bars": 2}]), an_object(cages=[{"name": "c"}])
    zoo.apply_defaults(first)
    zoo.apply_defaults(second)
    assert first["spec"]["cages"] == [
        {"name": "a", "bars": 8, "lock": "Shut", "keeper": {"title": "Keeper"}},
        {"name": "b", "bars": 2, "lock": "Shut", "keeper": {"title": "Keeper"}},
    ]
    second["spec"]["cages"][0]["keeper"]["title"] = "Boss"
    assert first["spec"]["cages"][0]["keeper"]["title"] == "Keeper"


def test_a_whole_number_is_an_integer_however_it_is_written(zoo: Schema) -> None:
    obj = an_object(cages=[{"name": "a", "bars": 2.0, "size": 1.0}])
    zoo.apply_defaults(obj)
    cage = obj["spec"]["cages"][0]
    assert [(cage[key], type(cage[key])) for key in ("bars", "size")] == [(2, int), (1, int)]
    assert zoo.validate(obj) == []


@pytest.mark.parametrize("age", [2.0**70, 2**63, -(2**63) - 1])
def test_a_number_beyond_64_bits_is_refused(zoo: Schema, age: float) -> None:
    obj = an_object(pet={"apiVersion": "v1", "kind": "Cat", "metadata": {"name": "m"}, "age": age})
    zoo.apply_defaults(obj)
    assert [each.field for each in zoo.validate(obj)] == ["spec.pet.age"]


def test_nulls_vanish_or_become_the_default_unless_the_field_is_nullable(zoo: Schema) -> None:
    obj = an_object(open=None, motto=None, cages=[{"name": "a", "bars": None}])
    obj["metadata"]["creationTimestamp"] = None
    zoo.apply_defaults(obj)
    assert "open" not in obj["spec"]
    assert obj["spec"]["motto"] is None
    assert obj["spec"]["cages"][0]["bars"] == 8
    assert zoo.validate(obj) == []


@pytest.mark.parametrize(
    ("spec", "reason", "field", "message"),
    [
        ({"open": "yes"}, "FieldValueTypeInvalid", "spec.open", 'must be of type boolean: "string"'),
        ({"cages": [{}]}, "FieldValueRequired", "spec.cages[0].name", "Required value"),
        (
            {"cages": [{"name": "a", "lock": "Ajar"}]},
            "FieldValueNotSupported",
            "spec.cages[0].lock",
            'Unsupported value: "Ajar": supported values: "Open", "Shut"',
        ),
        ({"cages": [{"name": "A"}]}, "FieldValueInvalid", "spec.cages[0].name", "should match '^[a-z]+$'"),
        ({"cages": [{"name": "aaaaaaaaa"}]}, "FieldValueTooLong", "spec.cages[0].name", "more than 8 characters"),
        (
            {"cages": [{"name": "a", "bars": 0}]},
            "FieldValueInvalid",
            "spec.cages[0].bars",
            "greater than or equal to 1",
        ),
        ({"cages": [{"name": "a", "bars": 2**31}]}, "FieldValueInvalid", "spec.cages[0].bars", "less than or equal to"),
        ({"cages": [{"name": c} for c in "abcd"]}, "FieldValueTooMany", "spec.cages", "must have at most 3 items"),
        (
            {"cages": [{"name": "a", "size": 1.5}]},
            "FieldValueTypeInvalid",
            "spec.cages[0].size",
            'must be of type integer,string: "number"',
        ),
        ({"cages": [{"name": "a"}, {"name": "a"}]}, "FieldValueDuplicate", "spec.cages[1]", '{"name": "a"}'),
        ({"tags": ["x", "y", "x"]}, "FieldValueDuplicate", "spec.tags[2]", 'Duplicate value: "x"'),
        ({"pet": {"kind": "Cat"}}, "FieldValueRequired", "spec.pet.apiVersion", "Required value"),
    ],
)
def test_a_broken_rule_is_told_with_its_path_and_reason(
    zoo: Schema, spec: dict[str, Any], reason: str, field: str, message: str
) -> None:
    [error] = told(zoo, an_object(**spec))
    assert error[:2] == (reason, field)
    assert message in error[2]


def test_several_errors_are_told_at_once_and_a_good_object_has_none(zoo: Schema) -> None:
    assert len(told(zoo, an_object(open=1, tags=[1], cages=[{}]))) == 3
    assert told(zoo, an_object(cages=[{"name": "a", "size": "10%"}, {"name": "b", "size": 3}])) == []


def test_a_missing_spec_is_required(zoo: Schema) -> None:
    assert told(zoo, {"metadata": {}}) == [("FieldValueRequired", "spec", "Required value")]


def test_published_definitions_are_closed_and_mark_their_kind(catalogue: Catalogue) -> None:
    definitions = catalogue.definitions("zoo.io", "v1")
    assert list(definitions) == [
        "io.k8s.meta.v1.ObjectMeta",
        *(f"io.zoo.v1.{n}" for n in ("Cage", "Keeper", "Spec", "Zoo")),
    ]
    zoo = definitions["io.zoo.v1.Zoo"]
    assert zoo["x-kubernetes-group-version-kind"] == [{"group": "zoo.io", "version": "v1", "kind": "Zoo"}]
    assert zoo["properties"]["metadata"] == {"$ref": "#/components/schemas/io.k8s.meta.v1.ObjectMeta"}
    keeper = definitions["io.zoo.v1.Cage"]["properties"]["keeper"]
    assert keeper == {"allOf": [{"$ref": "#/components/schemas/io.zoo.v1.Keeper"}], "default": {}}


@pytest.mark.parametrize("ref", ["#/definitions/Nothing", "../meta/v9.yaml#/definitions/ObjectMeta"])
def test_a_reference_that_leads_nowhere_stops_loading(directory: Path, ref: str) -> None:
    path = directory / "zoo" / "v1.yaml"
    path.write_text(path.read_text().replace("#/definitions/Spec", ref))
    with pytest.raises(CatalogueError, match="leads nowhere"):
        Catalogue.load(directory)


def test_a_file_that_is_no_schema_is_named(directory: Path) -> None:
    (directory / "zoo" / "v2.yaml").write_text("group: zoo.io")
    with pytest.raises(CatalogueError, match=r"v2\.yaml is not a schema file"):
        Catalogue.load(directory)


def test_a_kind_without_definition_stops_loading(directory: Path) -> None:
    path = directory / "zoo" / "v1.yaml"
    path.write_text(path.read_text().replace("kinds: [Zoo]", "kinds: [Zoo, Farm]"))
    with pytest.raises(CatalogueError, match="kind Farm has no definition"):
        Catalogue.load(directory)


def test_a_definition_may_extend_one_of_another_version(directory: Path) -> None:
    (directory / "zoo" / "v1alpha1.yaml").write_text("""
package: io.zoo.v1alpha1
group: zoo.io
version: v1alpha1
kinds: [Zoo]
definitions:
  Zoo:
    extends: "v1.yaml#/definitions/Zoo"
    properties: {spec: {$ref: "#/definitions/Spec"}}
  Spec:
    extends: "v1.yaml#/definitions/Spec"
    required: [slogan]
    properties: {motto: null, slogan: {type: string}}
""")
    catalogue = Catalogue.load(directory)
    old, new = (catalogue.schema("zoo.io", version, "Zoo") for version in ("v1alpha1", "v1"))
    spec = {"slogan": "x", "open": True, "cages": [{"name": "a"}]}
    obj = {"apiVersion": "zoo.io/v1alpha1", "kind": "Zoo", "metadata": {}, "spec": spec}
    assert old.prune(obj) == []
    assert told(old, obj) == []
    assert old.prune({**obj, "spec": {"motto": "x"}}) == ["spec.motto"]
    assert new.prune({**obj, "spec": {"slogan": "x"}}) == ["spec.slogan"]
    assert old.document["x-kubernetes-group-version-kind"] == [
        {"group": "zoo.io", "version": "v1alpha1", "kind": "Zoo"}
    ]
    # What it takes over still refers to the file it comes from.
    assert catalogue.definitions("zoo.io", "v1alpha1").keys() >= {"io.zoo.v1.Cage", "io.zoo.v1alpha1.Spec"}


def test_a_group_version_may_be_several_files_that_others_take_for_one(directory: Path) -> None:
    file = directory / "zoo" / "v1.yaml"
    head, mark, spec = file.read_text().partition("  Cage:")
    assert mark
    file.write_text(head)
    (directory / "zoo" / "v1-cages.yaml").write_text("definitions:\n" + mark + spec)
    (directory / "zoo" / "v2.yaml").write_text("""
package: io.zoo.v2
group: zoo.io
version: v2
kinds: [Zoo]
definitions:
  Zoo: {extends: "v1.yaml#/definitions/Cage"}
""")
    catalogue = Catalogue.load(directory)
    assert "io.zoo.v1.Cage" in catalogue.definitions("zoo.io", "v1")
    assert "bars" in catalogue.schema("zoo.io", "v2", "Zoo").document["properties"]


@pytest.mark.parametrize(
    ("name", "problem"), [("v1-more.yaml", "Zoo is defined already"), ("v3-more.yaml", "part of no group-version")]
)
def test_a_part_that_does_not_fit_stops_loading(directory: Path, name: str, problem: str) -> None:
    (directory / "zoo" / name).write_text("definitions: {Zoo: {type: object}}")
    with pytest.raises(CatalogueError, match=problem):
        Catalogue.load(directory)


def test_an_example_stays_with_the_version_that_it_names(directory: Path) -> None:
    file = directory / "zoo" / "v1.yaml"
    file.write_text(
        file.read_text().replace("  Zoo:\n", "  Zoo:\n    example: {apiVersion: zoo.io/v1, kind: Zoo}\n", 1)
    )
    (directory / "zoo" / "v2.yaml").write_text("""
package: io.zoo.v2
group: zoo.io
version: v2
kinds: [Zoo]
definitions:
  Zoo: {extends: "v1.yaml#/definitions/Zoo"}
""")
    catalogue = Catalogue.load(directory)
    assert [("example" in catalogue.schema("zoo.io", each, "Zoo").document) for each in ("v1", "v2")] == [True, False]


def test_a_definition_that_extends_nothing_known_is_refused(directory: Path) -> None:
    file = directory / "zoo" / "v1.yaml"
    file.write_text(file.read_text() + '  Farm: {extends: "#/definitions/Barn"}\n')
    with pytest.raises(CatalogueError, match="leads nowhere"):
        Catalogue.load(directory)


def test_a_field_tells_the_description_of_what_it_refers_to(directory: Path) -> None:
    file = directory / "zoo" / "v1.yaml"
    file.write_text(file.read_text().replace("    required: [cages]", "    description: What a zoo has.", 1))
    (directory / "zoo" / "v2.yaml").write_text("""
package: io.zoo.v2
group: zoo.io
version: v2
kinds: [Zoo]
definitions:
  Zoo: {extends: "v1.yaml#/definitions/Zoo", properties: {spec: {$ref: "#/definitions/Spec"}}}
  Spec: {extends: "v1.yaml#/definitions/Spec"}
""")
    catalogue = Catalogue.load(directory)
    for version in ("v1", "v2"):
        properties = catalogue.schema("zoo.io", version, "Zoo").document["properties"]
        assert properties["spec"]["description"] == "What a zoo has."


def test_a_huge_object_that_is_all_wrong_is_told_so_in_little_time(zoo: Schema) -> None:
    obj = an_object(tags=[1] * 1_000_000)
    started = time.process_time()
    assert zoo.validate(obj)[0].field == "spec.tags[0]"
    assert time.process_time() - started < 10


SCALARS = st.sampled_from([None, True, 0, 1, 2.0, 2.5, 2**40, "", "a", "Shut", "tall", "text: null, 2.0", "10.0.0.1"])
NAMES = st.sampled_from(["name", "bars", "lock", "size", "inner", "keeper", "title", "age", "kind", "metadata", "foo"])
ANYTHING = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=2) | st.dictionaries(NAMES, below, max_size=3), max_leaves=6
)
CAGES = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "c"])},
    optional={
        "bars": st.sampled_from([1, 8, 0, 2.0]),
        "lock": st.sampled_from(["Open", "Shut"]),
        "size": SCALARS,
        "inner": ANYTHING | st.just({"name": "b"}),
        "keeper": st.fixed_dictionaries({}, optional={"title": SCALARS, "foo": SCALARS}),
    },
)
SPECS = st.fixed_dictionaries(
    {"cages": st.lists(CAGES, max_size=3)},
    optional={
        "tags": st.lists(st.sampled_from(["a", "b"]), max_size=2),
        "motto": SCALARS,
        "anything": ANYTHING,
        "pet": ANYTHING | st.just({"apiVersion": "v1", "kind": "Cat", "metadata": {"foo": 1}, "age": 1}),
        "foo": SCALARS,
    },
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SPECS)
def test_what_is_plain_needs_nothing_but_its_defaults(zoo: Schema, spec: dict[str, Any]) -> None:
    obj = an_object(**spec)
    filled, treated = clone(obj), clone(obj)
    zoo.fill(filled)
    pruned = zoo.prune(treated)
    zoo.apply_defaults(treated)
    if zoo.is_plain(filled):
        assert (filled, pruned, zoo.validate(treated)) == (treated, [], [])
        assert not any(isinstance(each["bars"], float) for each in filled["spec"]["cages"])


def test_most_objects_are_plain(zoo: Schema) -> None:
    pet = {"apiVersion": "v1", "kind": "Cat", "metadata": {"foo": 1}, "age": 1}
    obj = an_object(
        cages=[{"name": "a", "inner": {"name": "b"}}], motto="/dev/null 10.0.0.1", anything={"b": 2}, pet=pet
    )
    assert zoo.is_plain(obj)
    assert zoo.is_plain({"metadata": {"name": "a"}}, kept=["spec"])
    assert not zoo.is_plain({"metadata": {"name": "a"}})


@pytest.mark.parametrize(
    "spec",
    [
        {"foo": 1},
        {"open": "yes"},
        {"open": None},
        {"anything": {"age": 2.0}},
        {"anything": [None]},
        {"cages": [{"name": "a", "inner": {"name": "b", "foo": 1}}]},
        {"cages": [{"name": "a"}, {"name": "a"}]},
        {"tags": ["a", "a"]},
        {"pet": {"apiVersion": "v1", "kind": "Cat", "foo": 1}},
    ],
)
def test_an_object_to_which_something_is_to_be_done_is_not_plain(zoo: Schema, spec: dict[str, Any]) -> None:
    assert not zoo.is_plain(an_object(**spec))
