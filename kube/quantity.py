"""Resource quantities: ``64M``, ``1.5Gi``, ``100m``, ``1e3``, exactly.

Source: ``k8s.io/apimachinery/pkg/api/resource``.
"""

import re
from decimal import ROUND_CEILING, ROUND_UP, Decimal, localcontext
from functools import lru_cache

_FORM = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,3})?")
_BINARY = {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_LONGEST = 64
_FINEST = Decimal("1e-9")
_BEYOND = 2**63


class QuantityError(ValueError):
    """A text that is not a quantity."""


@lru_cache(maxsize=4096, typed=True)
def parse(text: str | float) -> Decimal:
    """Return the exact amount that ``text`` stands for. Raises QuantityError."""
    found = _FORM.fullmatch(str(text))
    if not found or len(str(text)) > _LONGEST:
        raise QuantityError(
            f'"{str(text)[:_LONGEST]}" is not a quantity; write a number and a suffix, such as 64Mi, 2G or 500m'
        )
    number, suffix = Decimal(found[1]), found[2] or ""
    with localcontext(prec=400):  # enough for every text the form allows
        if suffix in _BINARY:
            return number * _BINARY[suffix]
        exponent = int(suffix[1:]) if suffix[1:] else _DECIMAL.get(suffix, 0)
        return number.scaleb(exponent)


def amount(text: str | float) -> Decimal:
    """Return what :func:`parse` does, and 0 for what nobody can read: the API refuses that where it is written."""
    try:
        return parse(text)
    except QuantityError:
        return Decimal(0)


def parse_bytes(text: str | int) -> int:
    """Return ``text`` as whole bytes, rounded up as Kubernetes' ``Value()`` does. Raises QuantityError."""
    return int(parse(text).to_integral_value(rounding=ROUND_CEILING))


def canonical(text: str | float) -> str:
    """Return a quantity as Kubernetes writes it: ``1024Mi`` as ``1Gi``, ``0.5`` as ``500m``; finer is rounded up.

    The kind of suffix stays, but for binary amounts below 1024 or with fractions. What 64 bits do not hold stays as it
    is. Raises QuantityError.
    Source: ``Quantity.CanonicalizeBytes``.
    """
    exact = parse(text)
    if abs(exact) >= _BEYOND:
        return str(text)
    with localcontext(prec=400):
        found = exact.quantize(_FINEST, rounding=ROUND_UP)
        suffix = str(text).lstrip("+-.0123456789")
        if suffix in _BINARY and abs(found) >= 1024 and found == found.to_integral_value():
            return format_bytes(int(found))
        if suffix[1:] and suffix[0] in "eE":
            return _format_exponent(found)
    return format_decimal(found)


def format_bytes(amount: int) -> str:
    """Return ``amount`` with the largest binary suffix that keeps it whole: ``format_bytes(2**26)`` is ``64Mi``."""
    for suffix, unit in reversed(_BINARY.items()):
        if amount and amount % int(unit) == 0:
            return f"{amount // int(unit)}{suffix}"
    return str(amount)


def format_decimal(amount: Decimal) -> str:
    """Return ``amount`` with the largest decimal suffix that keeps it whole: ``500m``, ``2``, ``3k``.

    Raises QuantityError when it is finer than a billionth.
    """
    with localcontext(prec=400):
        for suffix, exponent in sorted({**_DECIMAL, "": 0}.items(), key=lambda each: -each[1]):
            scaled = amount.scaleb(-exponent)
            if scaled == scaled.to_integral_value():
                return f"{int(scaled)}{suffix}" if scaled else "0"
    raise QuantityError(f"{amount} is finer than a billionth")


def _format_exponent(amount: Decimal) -> str:
    exponent = next(each for each in range(18, -12, -3) if amount.scaleb(-each) % 1 == 0) if amount else 0
    number = int(amount.scaleb(-exponent))
    return f"{number}e{exponent}" if exponent else str(number)
