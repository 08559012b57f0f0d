"""Times as the API writes them (RFC 3339, UTC)."""

from datetime import UTC, datetime

_OFFSET = "+00:00"


def utc_now() -> datetime:
    """Return the time now."""
    return datetime.now(UTC)


def to_time(moment: datetime) -> str:
    """Format as ``metav1.Time``: whole seconds."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").removesuffix(_OFFSET) + "Z"


def to_micro_time(moment: datetime) -> str:
    """Format as ``metav1.MicroTime``, which Leases use."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix(_OFFSET) + "Z"


def from_time(text: str) -> datetime:
    """Parse either form. Raises ValueError."""
    return datetime.fromisoformat(text)
