"""How much memory a guest has, and what it takes of its node."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.gates import gate_errors
from apiserver.resources.virtualmachineinstance.validation.values import amount, quantity_problems
from kube.configuration import Configuration

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
    huge = spec["domain"].get("memory", {}).get("hugepages")
    if huge is None and all(said is None for said in _memory(spec)):
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
    """No request is above its limit."""
    resources = spec["domain"].get("resources", {})
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    for name in sorted(requests.keys() & limits.keys()):
        request, limit = amount(requests[name]), amount(limits[name])
        if request is not None and limit is not None and request > limit:
            field = f"{path}.domain.resources.requests.{name}"
            yield FieldError.invalid(field, requests[name], f"must be at most the limit, {limits[name]}")


def guest_within_limit(spec: Object, path: str, configuration: Configuration) -> Iterator[FieldError]:
    """The guest's memory is not above the limit, unless that grows with the guest while it runs."""
    guest, _, limit = _memory(spec)
    size, most = amount(guest), amount(limit)
    if not configuration.updates_live and size is not None and most and size > most:
        field = f"{path}.domain.memory.guest"
        yield FieldError.invalid(field, guest, f"must be at most resources.limits.memory, {limit}")


def huge_pages(spec: Object, path: str) -> Iterator[FieldError]:
    """The guest's memory is some number of huge pages."""
    huge = spec["domain"].get("memory", {}).get("hugepages")
    if huge is None:
        return
    size, field = huge.get("pageSize"), f"{path}.domain.memory.hugepages.pageSize"
    if not size:
        yield FieldError.required(field, "say how large a page is, such as 2Mi or 1Gi")
        return
    page = amount(size)
    if not page or page < 0:
        yield from quantity_problems(size, field, positive=True)
        return
    guest, request, limit = _memory(spec)
    found = next((each for each in (request, guest, limit) if amount(each)), None)
    memory = amount(found)
    if memory and memory < page:
        yield FieldError.invalid(field, size, f"is larger than the memory, {found}; use smaller pages")
    elif memory and Fraction(memory) % Fraction(page):  # decimals have no room for the quotient of just any two
        yield FieldError.invalid(field, size, f"the memory, {found}, must be a multiple of this")


def reserved_overhead(spec: Object, path: str, configuration: Configuration) -> Iterator[FieldError]:
    """Memory that is set aside beyond the guest's is behind a gate."""
    if "reservedOverhead" in spec["domain"].get("memory", {}):
        yield from gate_errors(configuration, "ReservedOverheadMemlock", f"{path}.domain.memory.reservedOverhead")


def _memory(spec: Object) -> tuple[Any, Any, Any]:
    """Return what is said of memory: the guest's, the request, the limit."""
    domain = spec["domain"]
    resources = domain.get("resources", {})
    return (
        domain.get("memory", {}).get("guest"),
        resources.get("requests", {}).get("memory"),
        resources.get("limits", {}).get("memory"),
    )


RULES = (amounts, guest_size, request_size, within_limits, huge_pages)
CONFIGURED = (guest_within_limit, reserved_overhead)
OF_INSTANCES = (some_memory,)
