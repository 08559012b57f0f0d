"""What a client accepts decides what it gets."""

import pytest

from apiserver.http.negotiation import representation
from apiserver.machinery.errors import StatusError

KUBECTL_GET = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)


def test_kubectl_get_is_answered_with_a_table() -> None:
    assert representation(KUBECTL_GET).wants == "Table"


@pytest.mark.parametrize("header", ["", "*/*", "application/json", "application/cbor, application/json"])
def test_json_is_the_common_language(header: str) -> None:
    assert representation(header).wants == ""


def test_a_better_quality_wins() -> None:
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    assert representation(f"application/json;q=0.9, {table}").wants == "Table"
    assert representation(f"application/json, {table};q=0.5").wants == ""


def test_what_cannot_be_made_is_refused_with_406() -> None:
    with pytest.raises(StatusError) as refused:
        representation("application/cbor")
    assert refused.value.code == 406
