"""Rules of what a guest is told by DHCP."""

import pytest

from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    DUPLICATE,
    INVALID,
    Case,
    Object,
    expect,
    expect_right,
)

DHCP, FIELD = "domain.devices.interfaces.0.dhcpOptions", "domain.devices.interfaces[0].dhcpOptions"


def private(*options: int) -> Object:
    return {f"{DHCP}.privateOptions": [{"option": option, "value": "x"} for option in options]}


CASES: list[Case] = [
    (private(223), f"{FIELD}.privateOptions[0].option", INVALID, "between 224 and 254"),
    (private(255), f"{FIELD}.privateOptions[0].option", INVALID, "between 224 and 254"),
    (private(240, 240), f"{FIELD}.privateOptions[1].option", DUPLICATE, "240"),
    ({f"{DHCP}.ntpServers": ["10.0.0.1", "pool.ntp.org"]}, f"{FIELD}.ntpServers[1]", INVALID, "192.0.2.1"),
    ({f"{DHCP}.ntpServers": ["2001:db8::1"]}, f"{FIELD}.ntpServers[0]", INVALID, "an IPv4 address"),
]


@pytest.mark.parametrize("case", CASES)
def test_options_that_cannot_be_are_refused(case: Case) -> None:
    expect(case)


@pytest.mark.parametrize("edits", [private(224, 254), {f"{DHCP}.ntpServers": ["192.0.2.1"]}, {DHCP: {}}])
def test_options_that_can_be_are_accepted(edits: Object) -> None:
    expect_right(edits)
