"""Durations as Go writes them, and with it Kubernetes' ``metav1.Duration``: ``168h``, ``1h30m``, ``1.5s``.

Source: Go's ``time.ParseDuration``.
"""

import re
from datetime import timedelta

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_FORM = re.compile(rf"([+-]?)(0|(?:{_PART.pattern})+)")
_LONGEST = 64
_MOST_HOURS = 2_562_047
"""Go counts nanoseconds in 64 bits."""


class DurationError(ValueError):
    """A text that is not a duration."""


def parse(text: str) -> timedelta:
    """Return the duration that ``text`` stands for, to the microsecond. Raises DurationError."""
    found = _FORM.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise DurationError("must be a duration, such as 24h or 1h30m")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if seconds > _MOST_HOURS * 3600:
        raise DurationError(f"must be at most {_MOST_HOURS}h")
    return timedelta(seconds=-seconds if found[1] == "-" else seconds)
