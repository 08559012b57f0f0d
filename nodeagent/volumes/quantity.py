"""Kubernetes quantities, as far as sizes need them."""

import re
from decimal import ROUND_CEILING, Decimal

_QUANTITY = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:([KMGTPE]i|[mkMGTPE])|[eE]([+-]?\d{1,2}))?")
_FACTORS = {
    "m": Decimal("0.001"),
    "k": Decimal(1000),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("MGTPE", start=2)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


def to_bytes(quantity: str | int) -> int:
    """The bytes that a quantity such as ``1Gi`` or ``500M`` means, rounded up.

    Raises:
        ValueError: It is not a quantity.
    """
    found = _QUANTITY.fullmatch(str(quantity))
    if found is None:
        raise ValueError(f"{quantity!r} is not a quantity such as 1Gi")
    number, unit, exponent = found.groups()
    factor = Decimal(10) ** int(exponent) if exponent else _FACTORS.get(unit or "", Decimal(1))
    return int((Decimal(number) * factor).to_integral_value(ROUND_CEILING))
