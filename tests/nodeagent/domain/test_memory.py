"""The guest's memory, in bytes."""

from typing import Any

import pytest

from nodeagent.domain.facts import UnsupportedError
from tests.nodeagent.domain.guests import built, vmi, written


def memory(domain: dict[str, Any]) -> str:
    return written(built(vmi({"memory": {}, **domain})).find("memory"))


@pytest.mark.parametrize(
    ("domain", "size"),
    [
        ({"memory": {"guest": "128Mi"}}, 134217728),
        ({"memory": {"guest": 67108864}}, 67108864),
        ({"memory": {"guest": "1.5G"}}, 1500000000),
        ({"memory": {"guest": "1Gi"}, "resources": {"requests": {"memory": "2Gi"}}}, 2**30),
        ({"resources": {"requests": {"memory": "64M"}, "limits": {"memory": "1Gi"}}}, 64000000),
        ({"resources": {"limits": {"memory": "1Gi"}}}, 2**30),
    ],
)
def test_memory_is_the_guests_else_the_request_else_the_limit(domain: dict[str, Any], size: int) -> None:
    assert memory(domain) == f'<memory unit="b">{size}</memory>'


@pytest.mark.parametrize(
    ("domain", "field", "message"),
    [
        ({}, "domain.memory.guest", "set it, for example to 1Gi"),
        ({"memory": {"guest": "plenty"}}, "domain.memory.guest", "is not a quantity"),
        ({"memory": {"guest": "0"}}, "domain.memory.guest", "not a positive amount"),
        ({"resources": {"requests": {"memory": "-1Gi"}}}, "domain.resources.requests.memory", "not a positive amount"),
        ({"resources": {"limits": {"memory": "1 Gi"}}}, "domain.resources.limits.memory", "is not a quantity"),
    ],
)
def test_what_is_no_amount_of_memory_is_named(domain: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message) as caught:
        memory(domain)
    assert caught.value.field == field
