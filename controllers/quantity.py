"""Kubernetes quantities (``500m``, ``1Gi``, ``1e3``), as exact numbers."""

import re
from decimal import Decimal

_SUFFIXES: dict[str, Decimal] = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{name: Decimal(1000) ** power for power, name in enumerate("kMGTPE", start=1)},
    **{f"{name}i": Decimal(1024) ** power for power, name in enumerate("KMGTPE", start=1)},
}
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)([numkMGTPE]?i?)")


def quantity(value: str | float) -> Decimal:
    """Return the number that ``value`` stands for. Raises ValueError."""
    found = _QUANTITY.fullmatch(str(value))
    if found is None or found[2] not in _SUFFIXES:
        raise ValueError(f"{value!r} is not a quantity")
    return Decimal(found[1]) * _SUFFIXES[found[2]]


def show_bytes(amount: Decimal) -> str:
    """Format a number of bytes in the largest binary unit that keeps it readable."""
    for name in ("Gi", "Mi", "Ki"):
        unit = _SUFFIXES[name]
        if abs(amount) >= unit:
            return f"{(amount / unit).quantize(Decimal('0.1')):f}".removesuffix(".0") + name
    return f"{amount:f}"
