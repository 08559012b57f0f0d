"""How much memory a guest has, and what it takes of its node."""

from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.validation.values import amount, quantity_problems

LEAST_GUEST = 2**20
LEAST_REQUEST = 10**6
MOST = 16 * 2**40
"""More than any host has: such a size is a mistake in the unit, and better said now than when no node fits."""


def amounts(spec: Object, path: str) -> Iterator[FieldError]:
    """Every request and limit is an amount."""
    for kind in ("requests", "limits"):
        for name, value in spec["domain"].get("resources", {}).get(kind, {}).items():
            yield from quantity_problems(value, f"{path}.domain.resources.{kind}.{name}")


def some_memory(spec: Object, path: str) -> Iterator[FieldError]:
    """A guest has memory, said in one way or another."""
    if all(said is None for said in _memory(spec)):
        yield FieldError.required(
            f"{path}.domain.memory.guest", "say how much memory the guest has, such as 512Mi or 2Gi"
        )


def guest_size(spec: Object, path: str) -> Iterator[FieldError]:
    """The guest's memory is neither nothing nor more than a host can have."""
    value = spec["domain"].get("memory", {}).get("guest")
    if value is None:
        return
    field = f"{path}.domain.memory.guest"
    guest = amount(value)
    if guest is None:
        yield from quantity_problems(value, field)
    elif guest < LEAST_GUEST:
        yield FieldError.invalid(field, value, "must be at least 1Mi; did you mean another unit, such as Mi or Gi?")
    elif guest > MOST:
        yield FieldError.invalid(
            field, value, "must be at most 16Ti, more than nodes have; use a smaller amount or unit"
        )


def request_size(spec: Object, path: str) -> Iterator[FieldError]:
    """What is set aside is a sensible amount, too."""
    for kind in ("requests", "limits"):
        value = spec["domain"].get("resources", {}).get(kind, {}).get("memory")
        size = amount(value)
        field = f"{path}.domain.resources.{kind}.memory"
        if size is not None and 0 <= size < LEAST_REQUEST:
            yield FieldError.invalid(field, value, "must be at least 1M; did you mean another unit, such as Mi or Gi?")
        if size is not None and size > MOST:
            yield FieldError.invalid(field, value, "must be at most 16Ti, more than nodes have")


def within_limits(spec: Object, path: str) -> Iterator[FieldError]:
    """Neither the guest's memory nor a request is above its limit."""
    resources = spec["domain"].get("resources", {})
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    for name in sorted(requests.keys() & limits.keys()):
        request, limit = amount(requests[name]), amount(limits[name])
        if request is not None and limit is not None and request > limit:
            field = f"{path}.domain.resources.requests.{name}"
            yield FieldError.invalid(field, requests[name], f"must be at most the limit, {limits[name]}")
    guest, _, limit = _memory(spec)
    most = amount(limit)
    size = amount(guest)
    if size is not None and most is not None and size > most:
        yield FieldError.invalid(
            f"{path}.domain.memory.guest", guest, f"must be at most resources.limits.memory, {limit}"
        )


def _memory(spec: Object) -> tuple[object, object, object]:
    """Return what is said of memory: the guest's, the request, the limit."""
    domain = spec["domain"]
    resources = domain.get("resources", {})
    return (
        domain.get("memory", {}).get("guest"),
        resources.get("requests", {}).get("memory"),
        resources.get("limits", {}).get("memory"),
    )


RULES = (amounts, some_memory, guest_size, request_size, within_limits)
