from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.machinery.errors import StatusError
from apiserver.machinery.selectors import label_selector, parse_field_selector, parse_label_selector


def labelled(**labels: str) -> dict[str, Any]:
    return {"metadata": {"name": "n", "labels": labels}}


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        ("", {}, True),
        ("a=b", {"a": "b"}, True),
        ("a==b", {"a": "c"}, False),
        ("a=", {"a": ""}, True),
        ("a=", {}, False),
        ("a=,c=d", {"a": "", "c": "d"}, True),
        ("a!=b", {}, True),
        ("a!=b", {"a": "b"}, False),
        ("a in (b, c)", {"a": "c"}, True),
        ("a in (b,c)", {}, False),
        ("a in (b,)", {"a": ""}, True),
        ("a in ()", {"a": ""}, True),
        ("a notin (b,c)", {}, True),
        ("a notin (b,c)", {"a": "b"}, False),
        ("a", {"a": "x"}, True),
        ("a", {}, False),
        ("!a", {}, True),
        (" ! a ", {"a": "x"}, False),
        ("a > 4", {"a": "5"}, True),
        ("a<4", {"a": "5"}, False),
        ("a>4", {"a": "x"}, False),
        ("kubevirt.io/in,in in (in)", {"kubevirt.io/in": "", "in": "in"}, True),
        ("a=b, c notin (d), !e", {"a": "b", "c": "x"}, True),
        ("a=b,!e", {"a": "b", "e": ""}, False),
    ],
)
def test_a_label_selector_means_what_kubernetes_says(selector: str, labels: dict[str, str], *, matches: bool) -> None:
    assert parse_label_selector(selector).matches({"metadata": {"labels": labels}}) is matches


@pytest.mark.parametrize(
    "selector",
    [
        "a=b=c",
        "a b",
        "a in b",
        "a in (b",
        "a in (b c)",
        ",",
        "a,",
        "=b",
        "!",
        "!a=b",
        "a=b,,c",
        "a>x",
        "-a",
        "a=-b",
        "a in (()",
    ],
)
def test_a_bad_label_selector_is_a_bad_request(selector: str) -> None:
    with pytest.raises(StatusError) as caught:
        parse_label_selector(selector)
    assert caught.value.code == 400


keys = st.sampled_from(["a", "b", "x.io/c"])
values = st.sampled_from(["", "u", "v", "W_1.2"])
label_sets = st.dictionaries(keys, values)
expressions = st.one_of(
    st.fixed_dictionaries(
        {"key": keys, "operator": st.sampled_from(["In", "NotIn"]), "values": st.lists(values, min_size=1, max_size=3)}
    ),
    st.fixed_dictionaries({"key": keys, "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
)


def as_text(expression: dict[str, Any]) -> str:
    key, listed = expression["key"], ",".join(expression.get("values", []))
    texts = {"In": f"{key} in ({listed})", "NotIn": f"{key} notin ({listed})", "Exists": key, "DoesNotExist": f"!{key}"}
    return texts[expression["operator"]]


@given(st.lists(expressions, max_size=4), label_sets)
def test_the_text_and_the_object_form_of_a_selector_agree(parts: list[dict[str, Any]], labels: dict[str, str]) -> None:
    from_text = parse_label_selector(",".join(as_text(part) for part in parts))
    from_object = label_selector({"matchExpressions": parts})
    assert from_text == from_object
    assert from_text.matches_labels(labels) is all(meets(part, labels) for part in parts)


def meets(expression: dict[str, Any], labels: dict[str, str]) -> bool:
    key = expression["key"]
    inside = key in labels and labels[key] in expression.get("values", [])
    present = key in labels
    return {"In": inside, "NotIn": not inside, "Exists": present, "DoesNotExist": not present}[expression["operator"]]


@given(st.text(max_size=20))
def test_no_text_breaks_the_parsers(text: str) -> None:
    for parse in (parse_label_selector, parse_field_selector):
        try:
            parse(text)
        except StatusError as error:
            assert error.code == 400  # noqa: PT017 - a text may also be a good selector


def test_match_labels_are_all_required_and_an_empty_selector_matches_everything() -> None:
    assert label_selector({"matchLabels": {"a": "b"}}).matches(labelled(a="b", c="d"))
    assert not label_selector({"matchLabels": {"a": "b", "c": "x"}}).matches(labelled(a="b"))
    assert label_selector({}).matches({"metadata": {}})


@pytest.mark.parametrize(
    "expression", [{"key": "a", "operator": "Is"}, {"key": "a", "operator": "In"}, {"operator": "Exists"}]
)
def test_a_bad_expression_is_a_bad_request(expression: dict[str, Any]) -> None:
    with pytest.raises(StatusError):
        label_selector({"matchExpressions": [expression]})


def test_field_selectors_compare_texts_and_absent_fields_are_empty() -> None:
    obj = {"metadata": {"name": "a", "namespace": "n"}, "status": {"ready": True, "count": 3}}
    supported = ("status.ready", "status.count", "status.node")

    def matches(text: str) -> bool:
        return parse_field_selector(text, supported).matches(obj)

    assert matches("metadata.name=a,metadata.namespace==n,status.ready=true,status.count=3,status.node=")
    assert matches("status.node!=x")
    assert not matches("metadata.name!=a")
    assert not matches("status.node=x")
    assert matches("")


def test_a_field_selector_knows_the_name_it_asks_for() -> None:
    selector = parse_field_selector(r"metadata.name=a\,b\=c,metadata.namespace!=n")
    assert selector.required("metadata.name") == "a,b=c"
    assert selector.required("metadata.namespace") is None


@pytest.mark.parametrize("text", ["metadata.name", "spec.secret=x", "=a", "metadata.name=a=b"])
def test_a_bad_field_selector_is_a_bad_request(text: str) -> None:
    with pytest.raises(StatusError) as caught:
        parse_field_selector(text)
    assert caught.value.code == 400
