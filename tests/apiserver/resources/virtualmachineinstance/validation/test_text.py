"""Rules of text that becomes XML."""

import pytest

from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    INVALID,
    Case,
    expect,
)

DISK = "domain.devices.disks.0"

CASES: list[Case] = [
    ({"domain.chassis.serial": "a\x00b"}, "domain.chassis.serial", INVALID, "control characters"),
    ({f"{DISK}.tag": "\x1b[31m"}, "domain.devices.disks[0].tag", INVALID, "control characters"),
]


@pytest.mark.parametrize("case", CASES)
def test_text_that_xml_cannot_hold_is_refused(case: Case) -> None:
    expect(case)
