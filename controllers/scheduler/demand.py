"""What an instance needs, and what a node offers."""

from dataclasses import dataclass
from decimal import Decimal

from kube.conditions import is_true
from kube.demand import requests
from kube.objects import Object
from kube.quantity import amount


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
    """Return what the instance takes of its node."""
    wanted = requests(instance)
    return Resources(wanted["cpu"], wanted["memory"])


def node_facts(node: Object) -> NodeFacts:
    """Return what placement needs to know of a node."""
    status = node.get("status", {})
    offer = status.get("allocatable") or status.get("capacity") or {}
    return NodeFacts(
        name=node["metadata"]["name"],
        labels=frozenset(node["metadata"].get("labels", {}).items()),
        ready=is_true(status.get("conditions", ()), "Ready"),
        unschedulable=bool(node.get("spec", {}).get("unschedulable")) or "deletionTimestamp" in node["metadata"],
        offer=Resources(amount(offer.get("cpu", 0)), amount(offer.get("memory", 0))),
    )
