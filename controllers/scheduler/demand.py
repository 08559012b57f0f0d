"""What an instance needs, and what a node offers."""

from dataclasses import dataclass
from decimal import Decimal

from kube.conditions import is_true
from kube.configuration import Configuration
from kube.demand import requests
from kube.objects import Object
from kube.quantity import amount


@dataclass(frozen=True, slots=True)
class Resources:
    """An amount of CPUs and of bytes of memory, and a number of instances."""

    cpu: Decimal = Decimal(0)
    memory: Decimal = Decimal(0)
    instances: Decimal = Decimal(0)

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(self.cpu + other.cpu, self.memory + other.memory, self.instances + other.instances)

    def __sub__(self, other: "Resources") -> "Resources":
        return Resources(self.cpu - other.cpu, self.memory - other.memory, self.instances - other.instances)


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What placement depends on: two equal ones need no new decision."""

    name: str
    labels: frozenset[tuple[str, str]]
    ready: bool
    unschedulable: bool
    offer: Resources


def demand(instance: Object, configuration: Configuration) -> Resources:
    """Return what the instance takes of its node."""
    wanted = requests(instance, configuration)
    return Resources(wanted["cpu"], wanted["memory"], Decimal(1))


def node_facts(node: Object, configuration: Configuration) -> NodeFacts:
    """Return what placement needs to know of a node."""
    status = node.get("status", {})
    offer = status.get("allocatable") or status.get("capacity") or {}
    return NodeFacts(
        name=node["metadata"]["name"],
        labels=frozenset(node["metadata"].get("labels", {}).items()),
        ready=is_true(status.get("conditions", ()), "Ready"),
        unschedulable=bool(node.get("spec", {}).get("unschedulable")) or "deletionTimestamp" in node["metadata"],
        offer=Resources(
            amount(offer.get("cpu", 0)), amount(offer.get("memory", 0)), _most_instances(offer, configuration)
        ),
    )


def _most_instances(offer: Object, configuration: Configuration) -> Decimal:
    """Return how many instances the node takes: the configuration may lower what the node itself says."""
    own = amount(offer["pods"]) if "pods" in offer else Decimal("Infinity")
    most = configuration.instances_per_node
    return own if most is None else min(own, Decimal(most))
