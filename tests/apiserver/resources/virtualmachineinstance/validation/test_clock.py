"""Rules of the clock and its timers."""

import pytest

from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    FORBIDDEN,
    INVALID,
    UNSUPPORTED,
    Case,
    Object,
    expect,
    expect_right,
)

CASES: list[Case] = [
    ({"domain.clock": {"utc": {}, "timezone": "Europe/Berlin"}}, "domain.clock", FORBIDDEN, "exclude each other"),
    ({"domain.clock": {"timezone": "Berlin, Germany"}}, "domain.clock.timezone", INVALID, "Europe/Berlin"),
    ({"domain.clock.timer.rtc.tickPolicy": "merge"}, "domain.clock.timer.rtc.tickPolicy", UNSUPPORTED, "catchup"),
    ({"domain.clock.timer.hpet.tickPolicy": "x"}, "domain.clock.timer.hpet.tickPolicy", UNSUPPORTED, "discard"),
    ({"domain.clock.timer.rtc.track": "sun"}, "domain.clock.timer.rtc.track", UNSUPPORTED, "wall"),
]


@pytest.mark.parametrize("case", CASES)
def test_a_clock_that_cannot_be_is_refused(case: Case) -> None:
    expect(case)


RIGHT: list[Object] = [
    {"domain.clock": {"utc": {"offsetSeconds": -3600}, "timer": {"hpet": {"present": False, "tickPolicy": "merge"}}}},
]


@pytest.mark.parametrize("edits", RIGHT)
def test_a_clock_that_can_be_is_accepted(edits: Object) -> None:
    expect_right(edits)
