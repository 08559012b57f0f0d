"""Rules of where and how a guest runs, and what it is called."""

import pytest

from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    INVALID,
    UNSUPPORTED,
    Case,
    Object,
    expect,
    expect_right,
)

CASES: list[Case] = [
    ({"hostname": "a.b"}, "hostname", INVALID, "RFC 1123"),
    ({"hostname": "a" * 64}, "hostname", INVALID, "63"),
    ({"subdomain": "-a"}, "subdomain", INVALID, "subdomain"),
    ({"architecture": "vax"}, "architecture", UNSUPPORTED, "amd64"),
    ({"startStrategy": "Running"}, "startStrategy", UNSUPPORTED, "Paused"),
    ({"startStrategy": ""}, "startStrategy", UNSUPPORTED, "Paused"),
    ({"evictionStrategy": ""}, "evictionStrategy", UNSUPPORTED, "LiveMigrate"),
    ({"evictionStrategy": "Maybe"}, "evictionStrategy", UNSUPPORTED, "LiveMigrate"),
    ({"terminationGracePeriodSeconds": -1}, "terminationGracePeriodSeconds", INVALID, "switch off at once"),
    ({"terminationGracePeriodSeconds": 2**31}, "terminationGracePeriodSeconds", INVALID, "a number of seconds"),
    ({"nodeSelector": {"-": "a"}}, "nodeSelector", INVALID, "alphanumeric"),
]


@pytest.mark.parametrize("case", CASES)
def test_a_place_that_cannot_be_is_refused(case: Case) -> None:
    expect(case)


RIGHT: list[Object] = [
    {"nodeSelector": {"kubernetes.io/hostname": "one"}, "hostname": "a-1", "subdomain": "b.c"},
]


@pytest.mark.parametrize("edits", RIGHT)
def test_a_place_that_can_be_is_accepted(edits: Object) -> None:
    expect_right(edits)
