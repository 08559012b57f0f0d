"""The guest's clock and timers."""

import re
from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.validation.values import one_of

_ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,2}")
TICK_POLICIES = {
    "hpet": ("delay", "catchup", "merge", "discard"),
    "pit": ("delay", "catchup", "discard"),
    "rtc": ("delay", "catchup"),
}


def offset(spec: Object, path: str) -> Iterator[FieldError]:
    """The clock shows one thing."""
    clock = spec["domain"].get("clock", {})
    if "utc" in clock and "timezone" in clock:
        yield FieldError.forbidden(f"{path}.domain.clock", "utc and timezone exclude each other; remove one")
    zone = clock.get("timezone")
    if zone is not None and not _ZONE.fullmatch(zone):
        yield FieldError.invalid(f"{path}.domain.clock.timezone", zone, "must be a time zone such as Europe/Berlin")


def timers(spec: Object, path: str) -> Iterator[FieldError]:
    """Late ticks are dealt with in a way that the timer knows."""
    timer = spec["domain"].get("clock", {}).get("timer", {})
    for name, policies in TICK_POLICIES.items():
        yield from one_of(timer.get(name, {}), "tickPolicy", policies, f"{path}.domain.clock.timer.{name}")
    yield from one_of(timer.get("rtc", {}), "track", ("guest", "wall"), f"{path}.domain.clock.timer.rtc")


RULES = (offset, timers)
