"""Where an instance goes: a pure function of the instance, the nodes and what the nodes already carry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from controllers.scheduler.demand import NodeFacts, Resources, demand
from kube import quantity
from kube.configuration import Configuration
from kube.instances import INSTANCE_FINALIZER, is_final, node_of
from kube.metadata import has_finalizer, is_terminating
from kube.nodes import SCHEDULABLE_LABEL
from kube.objects import Object

SHOWN_NODES = 10
"""How many nodes a message names before it only counts the rest."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Bound, or ended: no business of the scheduler's."""


@dataclass(frozen=True, slots=True)
class Bind:
    """Let this node run it."""

    node: str


@dataclass(frozen=True, slots=True)
class Unschedulable:
    """No node can take it; the message says which node lacks what."""

    message: str


@dataclass(frozen=True, slots=True)
class Release:
    """It is deleted and no node ever had it, so nothing is left to clean up."""


Decision = Nothing | Bind | Unschedulable | Release


def decide(
    instance: Object, nodes: Sequence[NodeFacts], used: Mapping[str, Resources], configuration: Configuration
) -> Decision:
    """Return what to do; ``used`` is what the instances already bound to each node take of it."""
    if node_of(instance):
        return Nothing()
    if is_terminating(instance):
        return Release() if has_finalizer(instance, INSTANCE_FINALIZER) else Nothing()
    if is_final(instance):
        return Nothing()
    wanted = demand(instance, configuration)
    selector: Mapping[str, str] = instance["spec"].get("nodeSelector", {})
    free = {node.name: node.offer - used.get(node.name, Resources()) for node in nodes}
    lacks = {node.name: lacking(node, selector, wanted, free[node.name]) for node in nodes}
    able = [name for name, lack in lacks.items() if lack is None]
    if able:
        # The emptiest node, so that load spreads; the name decides between equals.
        return Bind(max(sorted(able), key=lambda name: (free[name].memory, free[name].cpu)))
    return Unschedulable(_message(lacks))


def lacking(node: NodeFacts, selector: Mapping[str, str], wanted: Resources, free: Resources) -> str | None:
    """Return why ``node`` cannot take an instance, or None when it can."""
    labels = dict(node.labels)
    unmet = [f"{name}={value}" for name, value in sorted(selector.items()) if labels.get(name) != value]
    checks = (
        (not node.ready, "is not ready"),
        (node.unschedulable, "is cordoned or being deleted"),
        (labels.get(SCHEDULABLE_LABEL) != "true", f"is not labelled {SCHEDULABLE_LABEL}=true"),
        (bool(unmet), f"is not labelled {', '.join(unmet)}"),
        (wanted.instances > free.instances, "has as many instances as it takes"),
        (wanted.memory > free.memory, _too_little("memory", show_bytes(wanted.memory), show_bytes(free.memory))),
        (wanted.cpu > free.cpu, _too_little("CPU", _plain(wanted.cpu), _plain(free.cpu))),
    )
    return next((why for fails, why in checks if fails), None)


def show_bytes(amount: Decimal) -> str:
    """Format a number of bytes in the largest binary unit that keeps it readable."""
    for name in ("Gi", "Mi", "Ki"):
        unit = quantity.parse(f"1{name}")
        if abs(amount) >= unit:
            return f"{(amount / unit).quantize(Decimal('0.1')):f}".removesuffix(".0") + name
    return f"{amount:f}"


def _too_little(what: str, wanted: str, free: str) -> str:
    return f"has too little {what} ({wanted} needed, {free} free)"


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _message(lacks: Mapping[str, str | None]) -> str:
    told = [f"node {name} {why}" for name, why in sorted(lacks.items())]
    more = [f"and {len(told) - SHOWN_NODES} more"] if len(told) > SHOWN_NODES else []
    summary = f"0/{len(told)} nodes are available"
    return f"{summary}: {'; '.join(told[:SHOWN_NODES] + more)}." if told else f"{summary}."
