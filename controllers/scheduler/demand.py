"""What an instance needs, and what a node offers."""

from dataclasses import dataclass
from decimal import Decimal

from kube import quantity
from kube.conditions import is_true
from kube.objects import Object

CPU_ALLOCATION_RATIO = 10
"""Virtual CPUs per CPU of a node (KubeVirt's default ``cpuAllocationRatio``)."""


@dataclass(frozen=True, slots=True)
class Resources:
    """An amount of CPUs and of bytes of memory."""

    cpu: Decimal = Decimal(0)
    memory: Decimal = Decimal(0)

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(self.cpu + other.cpu, self.memory + other.memory)

    def __sub__(self, other: "Resources") -> "Resources":
        return Resources(self.cpu - other.cpu, self.memory - other.memory)


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What placement depends on: two equal ones need no new decision."""

    name: str
    labels: frozenset[tuple[str, str]]
    ready: bool
    unschedulable: bool
    offer: Resources


def demand(instance: Object) -> Resources:
    """Return what the instance takes of its node: its requests, else its guest's memory and a share per CPU."""
    domain = instance["spec"].get("domain", {})
    requests = domain.get("resources", {}).get("requests", {})
    memory = requests.get("memory", domain.get("memory", {}).get("guest", 0))
    if "cpu" in requests:
        return Resources(_amount(requests["cpu"]), _amount(memory))
    topology = domain.get("cpu", {})
    cpus = Decimal(topology.get("sockets", 1) * topology.get("cores", 1) * topology.get("threads", 1))
    share = cpus if topology.get("dedicatedCpuPlacement") else cpus / CPU_ALLOCATION_RATIO
    return Resources(share, _amount(memory))


def _amount(value: str | float) -> Decimal:
    """Return a quantity; one that nobody can read counts as nothing (the API refuses it where it is written)."""
    try:
        return quantity.parse(value)
    except ValueError:
        return Decimal(0)


def node_facts(node: Object) -> NodeFacts:
    """Return what placement needs to know of a node."""
    status = node.get("status", {})
    offer = status.get("allocatable") or status.get("capacity") or {}
    return NodeFacts(
        name=node["metadata"]["name"],
        labels=frozenset(node["metadata"].get("labels", {}).items()),
        ready=is_true(status.get("conditions", ()), "Ready"),
        unschedulable=bool(node.get("spec", {}).get("unschedulable")) or "deletionTimestamp" in node["metadata"],
        offer=Resources(_amount(offer.get("cpu", 0)), _amount(offer.get("memory", 0))),
    )
