"""What a client accepts decides what it gets."""

import pytest

from apiserver.http.answers import warning_headers
from apiserver.http.negotiation import JSON, YAML, accepts_gzip, prefers_yaml, representation
from apiserver.machinery.errors import StatusError

KUBECTL_GET = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)


def test_kubectl_get_is_answered_with_a_table() -> None:
    assert representation(KUBECTL_GET).shape == "Table"


@pytest.mark.parametrize("header", ["", "*/*", "application/json", "application/cbor, application/json"])
def test_json_is_the_common_language(header: str) -> None:
    assert representation(header).shape == ""


def test_a_better_quality_wins() -> None:
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    assert representation(f"application/json;q=0.9, {table}").shape == "Table"
    assert representation(f"application/json, {table};q=0.5").shape == ""


@pytest.mark.parametrize(
    "header",
    [
        "application/cbor",
        "application/vnd.kubernetes.protobuf",
        "application/json;as=Table;g=other;v=v1",
        "application/json;q=0",
    ],
)
def test_what_cannot_be_made_is_refused_with_406(header: str) -> None:
    with pytest.raises(StatusError) as refused:
        representation(header)
    assert refused.value.code == 406


@pytest.mark.parametrize(
    ("header", "media_type", "shape", "version"),
    [
        ("application/yaml", YAML, "", "v1"),
        ("application/yaml;as=Table;g=meta.k8s.io;v=v1beta1", YAML, "Table", "v1beta1"),
        ("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", JSON, "PartialObjectMetadata", "v1"),
        ("application/vnd.kubernetes.protobuf, application/json", JSON, "", "v1"),
        ("application/json;as=Table;g=meta.k8s.io;v=v2, application/json;q=0.1", JSON, "", "v1"),
        ("application/json;as=Chair;g=meta.k8s.io;v=v1, */*", JSON, "", "v1"),
    ],
)
def test_the_first_form_that_can_be_made_is_chosen(header: str, media_type: str, shape: str, version: str) -> None:
    chosen = representation(header)
    assert (chosen.media_type, chosen.shape, chosen.meta_version) == (media_type, shape, version)


@pytest.mark.parametrize(
    ("header", "yaml"),
    [("application/yaml", True), ("application/json, application/yaml", False), ("text/html", False), ("", False)],
)
def test_errors_are_yaml_only_for_those_who_prefer_it(header: str, yaml: bool) -> None:
    assert prefers_yaml(header) is yaml


@pytest.mark.parametrize(
    ("header", "accepts"),
    [("gzip", True), ("deflate, gzip;q=0.5", True), ("gzip;q=0", False), ("br", False), ("", False)],
)
def test_gzip_is_sent_to_those_who_take_it(header: str, accepts: bool) -> None:
    assert accepts_gzip(header) is accepts


def test_warnings_are_told_once_and_bounded() -> None:
    assert warning_headers(["a", 'b"\n', "a"]) == ['299 - "a"', '299 - "b\\"?"']
    many = warning_headers([f"{i} {'x' * 300}" for i in range(100)])
    assert len(many) == 16
    assert all(len(header) == len('299 - ""') + 256 for header in many)
