"""What several rules ask of a value."""

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from kube.quantity import QuantityError, parse

_PCI_ADDRESS = re.compile(r"[0-9a-fA-F]{4}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]")


def amount(value: Any) -> Decimal | None:
    """Return a quantity, or None for what is absent or not one (``quantity_problems`` tells that)."""
    try:
        return None if value is None else parse(value)
    except QuantityError:
        return None


def quantity_problems(value: Any, path: str, *, positive: bool = False) -> Iterator[FieldError]:
    """Yield an error unless ``value`` is a quantity, and not less than nothing."""
    try:
        found = parse(value)
    except QuantityError as error:
        yield FieldError.invalid(path, value, str(error))
        return
    if found < 0 or (positive and not found):
        yield FieldError.invalid(path, value, f"must be {'more than' if positive else 'at least'} 0")


def one_of(owner: Object, key: str, options: Sequence[str], path: str, *, empty: bool = True) -> Iterator[FieldError]:
    """Yield an error when ``owner`` has ``key`` with a value that is not one of ``options``.

    An empty value stands for none, unless ``empty`` is False: then it is a value, as where Go has a pointer.
    """
    value = owner.get(key)
    if value not in options and (value or (value is not None and not empty)):
        yield FieldError.not_supported(f"{path}.{key}", value, options)


def duplicates(items: Iterable[Object], path: str) -> Iterator[FieldError]:
    """Yield an error for every item of a list at ``path`` that has the name of an earlier one."""
    seen: set[str] = set()
    for i, item in enumerate(items):
        if item["name"] in seen:
            yield FieldError.duplicate(f"{path}[{i}].name", item["name"])
        seen.add(item["name"])


def switched_on(feature: Object | None) -> bool:
    """Return True for a feature that is mentioned and not said to be off: in KubeVirt, naming one switches it on."""
    return feature is not None and feature.get("enabled", True)


def absolute_path_problems(value: str, path: str) -> Iterator[FieldError]:
    """Yield an error unless ``value`` is an absolute path that leads where it says, and not to the root."""
    straight = value != "/" and posixpath.normpath(value) == value.removesuffix("/")
    if not straight or not value.startswith("/") or value.startswith("//") or not value.isprintable():
        detail = "must be an absolute path of a file, without '..', '.', '//' and control characters"
        yield FieldError.invalid(path, value, detail)


def pci_address_problems(value: str | None, path: str) -> Iterator[FieldError]:
    """Yield an error unless ``value`` is empty or a PCI address."""
    if value and not _PCI_ADDRESS.fullmatch(value):
        yield FieldError.invalid(path, value, "must be a PCI address such as 0000:81:01.0")
