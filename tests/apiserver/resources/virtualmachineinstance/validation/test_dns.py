"""Rules of whom a guest asks for names."""

import pytest

from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    INVALID,
    REQUIRED,
    TOO_LONG,
    UNSUPPORTED,
    Case,
    Object,
    expect,
    expect_right,
)

SERVERS, SEARCHES = "dnsConfig.nameservers", "dnsConfig.searches"

CASES: list[Case] = [
    ({"dnsPolicy": "Internet"}, "dnsPolicy", UNSUPPORTED, "ClusterFirst"),
    ({"dnsPolicy": "None"}, SERVERS, REQUIRED, "at least one"),
    ({"dnsPolicy": "None", SERVERS: []}, SERVERS, REQUIRED, "knows only these servers"),
    ({SERVERS: ["192.0.2.1"] * 4}, SERVERS, "FieldValueTooMany", "at most 3"),
    ({SERVERS: ["192.0.2.1", "ns.example.com"]}, f"{SERVERS}[1]", INVALID, "an IP address"),
    ({SEARCHES: [f"{i}.example.com" for i in range(7)]}, SEARCHES, "FieldValueTooMany", "at most 6"),
    ({SEARCHES: [f"{'a' * 63}.{'b' * 63}"] * 2 + ["c"]}, SEARCHES, TOO_LONG, "at most 256"),
    ({SEARCHES: ["a", "-b"]}, f"{SEARCHES}[1]", INVALID, "subdomain"),
    (
        {"dnsConfig.options": [{"name": "ndots", "value": "2"}, {"value": "1"}]},
        "dnsConfig.options[1].name",
        REQUIRED,
        "",
    ),
]


@pytest.mark.parametrize("case", CASES)
def test_settings_that_cannot_be_are_refused(case: Case) -> None:
    expect(case)


RIGHT: list[Object] = [
    {"dnsPolicy": "None", SERVERS: ["192.0.2.1", "2001:db8::1", "192.0.2.3"]},
    {"dnsPolicy": "ClusterFirstWithHostNet", SEARCHES: ["a", "b.example.com", "c."]},
    {"dnsPolicy": "", "dnsConfig.options": [{"name": "edns0"}]},
]


@pytest.mark.parametrize("edits", RIGHT)
def test_settings_that_can_be_are_accepted(edits: Object) -> None:
    expect_right(edits)
