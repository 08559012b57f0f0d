"""Features, clock and life cycle: what the chipset offers, and what only KVM can."""

from typing import Any

import pytest

from nodeagent.domain.facts import HostFacts
from tests.nodeagent.domain.guests import ARM, EMULATED, KVM, built, vmi, written

ALL = {
    "acpi": {},
    "apic": {"endOfInterrupt": False},
    "smm": {},
    "kvm": {"hidden": True},
    "pvspinlock": {"enabled": False},
}
ALL_OF_A_PC = '<acpi /><vmport state="off" /><apic eoi="off" /><smm state="on" />'


@pytest.mark.parametrize(
    ("host", "features", "expected"),
    [
        (KVM, {}, '<acpi /><vmport state="off" />'),
        (KVM, {"acpi": {"enabled": False}}, '<vmport state="off" />'),
        (KVM, {"apic": {}}, '<acpi /><vmport state="off" /><apic />'),
        (KVM, {"apic": {"enabled": False}}, '<acpi /><vmport state="off" />'),
        (KVM, {"smm": {"enabled": False}}, '<acpi /><vmport state="off" /><smm state="off" />'),
        (
            KVM,
            ALL,
            f'{ALL_OF_A_PC}<kvm><hidden state="on" /></kvm><pvspinlock state="off" />',
        ),
        (EMULATED, ALL, ALL_OF_A_PC),
        (ARM, {"apic": {}}, "<acpi />"),
    ],
)
def test_features_are_those_asked_for_that_the_host_has(
    host: HostFacts, features: dict[str, Any], expected: str
) -> None:
    assert written(built(vmi({"features": features}), host).find("features")) == f"<features>{expected}</features>"


def clock(spec: dict[str, Any], host: HostFacts = KVM) -> str:
    return written(built(vmi({"clock": spec}), host).find("clock"))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, '<clock offset="utc" />'),
        ({"utc": {}}, '<clock offset="utc" adjustment="reset" />'),
        ({"utc": {"offsetSeconds": -3600}}, '<clock offset="utc" adjustment="-3600" />'),
        ({"utc": {"offsetSeconds": 0}}, '<clock offset="utc" adjustment="0" />'),
        ({"timezone": "Europe/Berlin"}, '<clock offset="timezone" timezone="Europe/Berlin" />'),
    ],
)
def test_a_clock_starts_from_utc_or_a_zone(spec: dict[str, Any], expected: str) -> None:
    assert clock(spec) == expected


def test_timers_tick_as_asked_and_kvms_only_with_kvm() -> None:
    timers = {
        "hpet": {"present": False},
        "pit": {"tickPolicy": "delay"},
        "rtc": {"tickPolicy": "catchup", "track": "guest"},
        "kvm": {"present": False},
        "hyperv": {},
    }
    common = (
        '<timer name="hpet" present="no" /><timer name="pit" tickpolicy="delay" present="yes" />'
        '<timer name="rtc" tickpolicy="catchup" present="yes" track="guest" />'
    )
    of_kvm = '<timer name="kvmclock" present="no" /><timer name="hypervclock" present="yes" />'
    assert clock({"timer": timers}) == f'<clock offset="utc">{common}{of_kvm}</clock>'
    assert clock({"timer": timers}, EMULATED) == f'<clock offset="utc">{common}</clock>'


def test_a_guest_that_stops_is_gone() -> None:
    root = built(vmi())
    assert root.findtext("on_poweroff") == root.findtext("on_crash") == "destroy"


@pytest.mark.parametrize(
    ("domain", "action"),
    [({}, "restart"), ({"rebootPolicy": "Reboot"}, "restart"), ({"rebootPolicy": "Terminate"}, "destroy")],
)
def test_a_reboot_ends_the_guest_only_where_the_policy_says_so(domain: dict[str, str], action: str) -> None:
    assert built(vmi(domain)).findtext("on_reboot") == action


def test_a_pc_cannot_suspend_itself_and_others_never_could() -> None:
    assert [state.get("enabled") for state in built(vmi()).iterfind("pm/*")] == ["no", "no"]
    assert built(vmi(), ARM).find("pm") is None
