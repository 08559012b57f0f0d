"""Rules of ports."""

import pytest

from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    DUPLICATE,
    FORBIDDEN,
    INVALID,
    UNSUPPORTED,
    Case,
    Object,
    expect,
    expect_right,
    gates,
)

NIC, FIELD = "domain.devices.interfaces.0", "domain.devices.interfaces[0]"
ON = gates("PortRangesSpec")


def ports(*listed: Object) -> Object:
    return {f"{NIC}.ports": list(listed)}


def ranges(*listed: tuple[str, int, int]) -> Object:
    made = [{"protocol": protocol, "start": start, "end": end} for protocol, start, end in listed]
    return {f"{NIC}.portRanges": made}


CASES: list[Case] = [
    (ports({"port": 0}), f"{FIELD}.ports[0].port", INVALID, "65535"),
    (ports({"port": -1}), f"{FIELD}.ports[0].port", INVALID, "between 1"),
    (ports({"port": 1}, {"port": 65536}), f"{FIELD}.ports[1].port", INVALID, "65535"),
    (ports({"port": 1, "protocol": "ICMP"}), f"{FIELD}.ports[0].protocol", UNSUPPORTED, "UDP"),
    (ports({"port": 1, "name": "Not_a_name"}), f"{FIELD}.ports[0].name", INVALID, "15"),
    (ports({"port": 1, "name": "a" * 16}), f"{FIELD}.ports[0].name", INVALID, "at most 15"),
    (ports({"port": 1, "name": "80"}), f"{FIELD}.ports[0].name", INVALID, "with a letter"),
    (ports({"port": 1, "name": "a--b"}), f"{FIELD}.ports[0].name", INVALID, "single '-'"),
    (ports({"port": 1, "name": "a"}, {"port": 2, "name": "a"}), f"{FIELD}.ports[1].name", DUPLICATE, "a"),
]


@pytest.mark.parametrize("case", CASES)
def test_a_port_that_cannot_be_is_refused(case: Case) -> None:
    expect(case)


RANGE_CASES: list[Case] = [
    (ranges(("ICMP", 1, 2)), f"{FIELD}.portRanges[0].protocol", UNSUPPORTED, "TCP"),
    (ranges(("", 1, 2)), f"{FIELD}.portRanges[0].protocol", UNSUPPORTED, "TCP"),
    (ranges(("TCP", 0, 2)), f"{FIELD}.portRanges[0].start", INVALID, "between 1 and 65535"),
    (ranges(("TCP", 1, 65536)), f"{FIELD}.portRanges[0].end", INVALID, "between 1 and 65535"),
    (ranges(("UDP", 3, 2)), f"{FIELD}.portRanges[0].start", INVALID, "at most end, 2"),
    (ranges(("TCP", 5, 9), ("TCP", 1, 5)), f"{FIELD}.portRanges[0].start", INVALID, "overlaps with portRanges[1]"),
    (
        ranges(*(("TCP", i, i) for i in range(1, 12))),
        f"{FIELD}.portRanges",
        "FieldValueTooMany",
        "at most 10 ranges",
    ),
    (ranges(("TCP", 1, 2)) | ports({"port": 80}), f"{FIELD}.portRanges", FORBIDDEN, "exclude each other"),
    (
        {NIC: {"name": "default", "bridge": {}, "portRanges": [{"protocol": "TCP", "start": 1, "end": 2}]}},
        f"{FIELD}.portRanges",
        FORBIDDEN,
        "only an interface with masquerade",
    ),
]


@pytest.mark.parametrize("case", RANGE_CASES)
def test_a_range_that_cannot_be_is_refused(case: Case) -> None:
    expect(case, ON)


def test_ranges_are_refused_until_their_gate_is_on() -> None:
    expect((ranges(("TCP", 1, 2)), f"{FIELD}.portRanges", FORBIDDEN, "the feature gate PortRangesSpec is off"))


RIGHT: list[Object] = [
    ports({"port": 80, "name": "http-80"}, {"port": 80, "protocol": "UDP"}, {"port": 65535}, {"port": 80}),
    ports({"port": 1, "name": "a" * 15, "protocol": ""}),
    ranges(("TCP", 1, 65535), ("UDP", 1, 4), ("UDP", 5, 5)),
    ranges(*(("TCP", i, i) for i in range(1, 11))),
    {
        "networks.1": {"name": "b", "multus": {"networkName": "lan"}},
        "domain.devices.interfaces.1": {"name": "b", "bridge": {}, "ports": [{"port": 0}]},
    },
]


@pytest.mark.parametrize("edits", RIGHT)
def test_ports_that_can_be_are_accepted(edits: Object) -> None:
    expect_right(edits, ON)
