"""What the rules of several kinds have in common."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from apiserver.machinery.errors import FieldError, StatusError
from apiserver.machinery.resource import Column, Object
from apiserver.machinery.selectors import label_selector
from kube import durations
from kube.durations import DurationError
from kube.names import key_problem
from kube.quantity import QuantityError, canonical, parse

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
        wrong = list(quantity_errors(text, f"{path}[{name}]"))
        yield from wrong
        if whole and not wrong and (amount := parse(text)) != amount.to_integral_value():
            yield FieldError.invalid(f"{path}[{name}]", text, "must be an integer")


def write_amounts(obj: Any, *fields: str) -> None:
    """Write the amounts that are found below ``fields`` as Kubernetes does, in place; ``[]`` stands for every item.

    What is no quantity stays, for the rules to refuse. Source: ``resource.Quantity``, which Kubernetes' own kinds
    go through when they are read.
    """
    if isinstance(obj, list) and fields and fields[0] == "[]":
        for each in obj:
            write_amounts(each, *fields[1:])
    elif not isinstance(obj, dict):
        return
    elif fields:
        write_amounts(obj.get(fields[0]), *fields[1:])
    else:
        for name, text in obj.items():
            with suppress(QuantityError):
                obj[name] = canonical(text)


def quantity_errors(text: Any, path: str) -> Iterator[FieldError]:
    """Yield an error unless ``text`` is a quantity that is not negative."""
    try:
        if parse(text) < 0:
            yield FieldError.invalid(path, text, "must be greater than or equal to 0")
    except QuantityError as problem:
        yield FieldError.invalid(path, text, str(problem))


def resource_names(found: Iterable[str], path: str, standard: frozenset[str]) -> Iterator[FieldError]:
    """Yield an error for every name of a resource that is neither ``standard`` nor qualified by who defines it."""
    for name in found:
        if problem := key_problem(name):
            yield FieldError.invalid(f"{path}[{name}]", name, problem)
        elif "/" not in name and name not in standard:
            yield FieldError.invalid(f"{path}[{name}]", name, "must be a standard resource type or fully qualified")


def reference_errors(reference: Object, path: str, kinds: Mapping[str, str]) -> Iterator[FieldError]:
    """Yield everything wrong with a typed reference that must name one of ``kinds``, which give their group."""
    kind, group = reference["kind"], reference.get("apiGroup") or ""
    if kind not in kinds:
        yield FieldError.not_supported(f"{path}.kind", kind, tuple(kinds))
    elif kinds[kind] and not group:
        yield FieldError.required(f"{path}.apiGroup", f"that of a {kind} is {kinds[kind]}")
    elif group != kinds[kind]:
        yield FieldError.invalid(f"{path}.apiGroup", group, f"that of a {kind} is {kinds[kind] or 'empty'}")
    if not reference["name"]:
        yield FieldError.required(f"{path}.name")


def duration_errors(text: str, path: str) -> Iterator[FieldError]:
    """Yield an error unless ``text`` is a duration (``metav1.Duration``) and not negative."""
    try:
        if durations.parse(text) < timedelta():
            yield FieldError.invalid(path, text, "must not be negative")
    except DurationError as problem:
        yield FieldError.invalid(path, text, str(problem))


def selector_errors(selector: Object, labels: Mapping[str, str], path: str) -> Iterator[FieldError]:
    """Yield an error unless ``selector`` (a ``metav1.LabelSelector``) is one, and matches the ``labels``."""
    try:
        matches = label_selector(selector).matches_labels(labels)
    except StatusError as problem:
        yield FieldError.invalid(path, selector, problem.message)
        return
    if not matches:
        yield FieldError.invalid(path, selector, "does not match the labels of the template")
