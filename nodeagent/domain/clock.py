"""``<clock>``: what the guest's clock starts from, and which timers tick."""

from typing import Any
from xml.etree.ElementTree import Element

from nodeagent.domain.element import element, yes_no
from nodeagent.domain.facts import HostFacts
from nodeagent.domain.spec import section

_LIBVIRT_NAME = {"hpet": "hpet", "pit": "pit", "rtc": "rtc", "kvm": "kvmclock", "hyperv": "hypervclock"}
_OF_KVM = frozenset({"kvm", "hyperv"})


def clock(domain: dict[str, Any], host: HostFacts) -> Element:
    """Return ``<clock>``: UTC unless a time zone is named."""
    spec = section(domain, "clock")
    zone = spec.get("timezone")
    return element(
        "clock",
        *_timers(section(spec, "timer"), host),
        offset="timezone" if zone else "utc",
        timezone=zone,
        adjustment=_adjustment(spec),
    )


def _adjustment(spec: dict[str, Any]) -> str | int | None:
    """Return seconds from UTC; ``reset`` forgets what a former run of the guest set its clock to."""
    if spec.get("utc") is None:
        return None
    offset = spec["utc"].get("offsetSeconds")
    return "reset" if offset is None else offset


def _timers(timers: dict[str, Any], host: HostFacts) -> list[Element]:
    return [
        element(
            "timer",
            name=name,
            tickpolicy=timers[key].get("tickPolicy"),
            present=yes_no(timers[key].get("present", True)),
            track=timers[key].get("track"),
        )
        for key, name in _LIBVIRT_NAME.items()
        if timers.get(key) is not None and (host.kvm or key not in _OF_KVM)
    ]
