"""An agent says how its node is, and not which machines it gets."""

import pytest

from apiserver.machinery.resource import Caller, Object
from apiserver.resources.node import NodeStrategy

AGENT, ADMIN = Caller("system:node:one", frozenset({"system:nodes"}), system=True), Caller("admin")
LABEL = "node-restriction.kubernetes.io/tenant"
TAINT = {"key": "maintenance", "effect": "NoExecute"}


def node(labels: dict[str, str], *taints: Object) -> Object:
    return {"metadata": {"name": "one", "labels": labels}, "spec": {"taints": list(taints)}}


OLD = node({LABEL: "a", "zone": "x"}, TAINT)


@pytest.mark.parametrize(
    ("new", "field"),
    [
        (node({LABEL: "b", "zone": "x"}, TAINT), f"metadata.labels[{LABEL}]"),
        (node({"zone": "x"}, TAINT), f"metadata.labels[{LABEL}]"),
        (node({**OLD["metadata"]["labels"], "a.node-restriction.kubernetes.io/b": "c"}, TAINT), None),
        (node(OLD["metadata"]["labels"]), "spec.taints"),
    ],
)
def test_only_others_say_which_machines_a_node_gets(new: Object, field: str | None) -> None:
    strategy = NodeStrategy()
    (found,) = strategy.validate_update(new, OLD, AGENT)
    assert found.field == (field or "metadata.labels[a.node-restriction.kubernetes.io/b]")
    assert list(strategy.validate_update(new, OLD, ADMIN)) == []


def test_an_agent_changes_its_other_labels_and_registers_without_restricted_ones() -> None:
    strategy = NodeStrategy()
    assert list(strategy.validate_update(node({LABEL: "a", "zone": "y"}, TAINT), OLD, AGENT)) == []
    assert [each.field for each in strategy.validate(node({LABEL: "a"}), AGENT)] == [f"metadata.labels[{LABEL}]"]
    assert list(strategy.validate(node({"zone": "x"}), AGENT)) == []
