"""What the rules of several kinds have in common."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from apiserver.machinery.errors import FieldError
from apiserver.machinery.objectmeta import key_problem
from apiserver.machinery.resource import Column, Object
from kube.quantity import QuantityError, parse

AGE = Column(name="Age", json_path=".metadata.creationTimestamp", type="date")
CREATED_AT = Column(name="Created At", json_path=".metadata.creationTimestamp")


def phase(obj: Object) -> str:
    """Return the phase of an object as ``kubectl get`` shows it."""
    return "Terminating" if "deletionTimestamp" in obj["metadata"] else obj.get("status", {}).get("phase", "")


def immutable(new: Object, old: Object, fields: Iterable[str], path: str = "") -> Iterator[FieldError]:
    """Yield an error for each of ``fields`` that differs; ``path`` goes before their names."""
    for field in fields:
        if new.get(field) != old.get(field):
            yield FieldError.invalid(f"{path}{field}", new.get(field), "field is immutable")


def amounts(found: Mapping[str, Any], path: str, *, whole: bool = False) -> Iterator[FieldError]:
    """Yield an error for every amount that is no quantity, is negative or, where it must be ``whole``, is not."""
    for name, text in found.items():
        try:
            amount = parse(text)
        except QuantityError as problem:
            yield FieldError.invalid(f"{path}[{name}]", text, str(problem))
            continue
        if amount < 0:
            yield FieldError.invalid(f"{path}[{name}]", text, "must be greater than or equal to 0")
        elif whole and amount != amount.to_integral_value():
            yield FieldError.invalid(f"{path}[{name}]", text, "must be an integer")


def resource_names(found: Iterable[str], path: str, standard: frozenset[str]) -> Iterator[FieldError]:
    """Yield an error for every name of a resource that is neither ``standard`` nor qualified by who defines it."""
    for name in found:
        if problem := key_problem(name):
            yield FieldError.invalid(f"{path}[{name}]", name, problem)
        elif "/" not in name and name not in standard:
            yield FieldError.invalid(f"{path}[{name}]", name, "must be a standard resource type or fully qualified")
