"""What a preference requires of the machine that names it."""

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from kube.instancetypes.fields import field
from kube.instancetypes.topology import Topology, preferred_topology, spread_of
from kube.objects import Object
from kube.quantity import amount


class Unmet(NamedTuple):
    """A requirement that is not met."""

    path: str
    """Below the machine's ``spec``."""
    why: str


def unmet(instancetype: Object | None, preference: Object | None, spec: Object) -> Iterator[Unmet]:
    """Yield what a preference requires and neither the instance type nor ``spec``, of an instance, offers."""
    required = (preference or {}).get("requirements", {})
    if vcpus := field(required, "cpu.guest"):
        yield from _vcpus(vcpus, instancetype, preference, spec)
    if memory := field(required, "memory.guest"):
        yield from _memory(memory, instancetype, spec)
    architecture, own = required.get("architecture"), spec.get("architecture")
    if architecture and own != architecture:
        yield Unmet("template.spec.architecture", f"the preference requires {architecture}, and this is {own}")


def _vcpus(required: int, instancetype: Object | None, preference: Object | None, spec: Object) -> Iterator[Unmet]:
    told = f"the preference requires {required} vCPUs"
    if instancetype is not None:
        if (given := instancetype["cpu"]["guest"]) < required:
            yield Unmet("instancetype", f"{told}, and the instance type has {given}; choose a larger one")
        return
    cpu = field(spec, "domain.cpu") or {}
    counts = _counted(preference)
    # Counts that nobody chose are 1, but for the one that the preference counts by.
    given = prod(cpu.get(count) or (1 if len(counts) > 1 else 0) for count in counts) if cpu else 0
    if given < required:
        for count in counts:
            yield Unmet(f"template.spec.domain.cpu.{count}", f"{told} as {', '.join(counts)}, and this is {given}")


def _counted(preference: Object | None) -> tuple[str, ...]:
    match preferred_topology(preference):
        case Topology.SPREAD:
            return spread_of(preference).counts
        case Topology.ANY:
            return ("cores", "sockets", "threads")
        case topology:
            return (topology.value,)


def _memory(required: str, instancetype: Object | None, spec: Object) -> Iterator[Unmet]:
    own = field(spec, "domain.memory.guest")
    given = own or (instancetype["memory"]["guest"] if instancetype is not None else "0")
    if amount(given) < amount(required):
        path = "template.spec.domain.memory" if instancetype is None else "instancetype"
        yield Unmet(path, f"the preference requires {required} of memory, and the guest has {given}")
