"""Node: a host that runs virtual machines."""

from collections.abc import Iterable

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Column, Object, Resource, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources.ownnode import OwnNodeStrategy

RESTRICTED = "node-restriction.kubernetes.io"
"""The domain of labels that say which machines a node may get, and which its own agent may not set."""
COLUMNS = (
    Column(name="Ready", json_path=".status.conditions[?(@.type=='Ready')].status"),
    Column(name="Age", json_path=".metadata.creationTimestamp", type="date"),
    Column(name="Version", json_path=".status.nodeInfo.kubeletVersion"),
    Column(name="OS-Image", json_path=".status.nodeInfo.osImage", priority=1),
    Column(name="Kernel-Version", json_path=".status.nodeInfo.kernelVersion", priority=1),
)


class NodeStrategy(OwnNodeStrategy):
    """A node, of which the agent does not decide whether machines with secrets of others go there.

    Source: Kubernetes' NodeRestriction admission.
    """

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield also what an agent may not say of its new node."""
        yield from super().validate(new, caller)
        yield from _restricted(new, {"metadata": {}}, caller)

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield what an agent may not change."""
        yield from super().validate(new, caller)
        yield from _restricted(new, old, caller)
        if caller.node is not None and new.get("spec", {}).get("taints") != old.get("spec", {}).get("taints"):
            yield FieldError.forbidden("spec.taints", "an agent may not change the taints of its node")


def _restricted(new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
    if caller.node is None:
        return
    labels, before = new["metadata"].get("labels", {}), old["metadata"].get("labels", {})
    for key in sorted(labels.keys() | before.keys()):
        domain = key.rpartition("/")[0]
        if f".{domain}".endswith(f".{RESTRICTED}") and labels.get(key) != before.get(key):
            yield FieldError.forbidden(f"metadata.labels[{key}]", "an agent may not change this label of its node")


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    return Resource(
        group="",
        kind="Node",
        plural="nodes",
        singular="node",
        short_names=("no",),
        namespaced=False,
        versions=(Version(name="v1", schema=catalogue.schema("", "v1", "Node"), columns=COLUMNS),),
        strategy=NodeStrategy(),
        has_status=True,
        selectable_fields=("spec.unschedulable",),
    )
