"""A guest's virtual CPUs."""

from collections.abc import Iterator
from math import prod

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.validation.values import duplicates, one_of
from kube.hotplug import MOST_CPUS

POLICIES = ("force", "require", "optional", "disable", "forbid")
_COUNTS = ("sockets", "cores", "threads")


def counts(spec: Object, path: str) -> Iterator[FieldError]:
    """No number of CPUs is below one; 0 is the same as not set."""
    cpu = spec["domain"].get("cpu", {})
    for name in _COUNTS:
        if cpu.get(name, 0) < 0:
            yield FieldError.invalid(f"{path}.domain.cpu.{name}", cpu[name], "must be at least 1")


def total(spec: Object, path: str) -> Iterator[FieldError]:
    """All together are not more than a guest can have."""
    cpu = spec["domain"].get("cpu", {})
    found = prod(cpu.get(name) or 1 for name in _COUNTS)
    if found > MOST_CPUS:
        detail = f"sockets times cores times threads is {found}; a guest can have at most {MOST_CPUS} CPUs"
        yield FieldError("FieldValueInvalid", f"{path}.domain.cpu", f"Invalid value: {detail}")


def features(spec: Object, path: str) -> Iterator[FieldError]:
    """CPU features are named once, with a known policy."""
    listed = spec["domain"].get("cpu", {}).get("features", [])
    field = f"{path}.domain.cpu.features"
    yield from duplicates(listed, field)
    for i, feature in enumerate(listed):
        if not feature["name"]:
            yield FieldError.required(f"{field}[{i}].name")
        yield from one_of(feature, "policy", POLICIES, f"{field}[{i}]")


def growth(spec: Object, path: str) -> Iterator[FieldError]:
    """There are no more sockets than there may ever be."""
    cpu = spec["domain"].get("cpu", {})
    sockets, most = cpu.get("sockets", 0), cpu.get("maxSockets", 0)
    if most and sockets > most:
        detail = f"must be at most maxSockets, {most}; raise that, or use fewer sockets"
        yield FieldError.invalid(f"{path}.domain.cpu.sockets", sockets, detail)


RULES = (counts, total, features, growth)
