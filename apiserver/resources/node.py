"""Node: a host that runs virtual machines."""

from apiserver.machinery.resource import Column, Resource, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources.ownnode import OwnNodeStrategy

COLUMNS = (
    Column(name="Ready", json_path=".status.conditions[?(@.type=='Ready')].status"),
    Column(name="Age", json_path=".metadata.creationTimestamp", type="date"),
    Column(name="Version", json_path=".status.nodeInfo.kubeletVersion"),
    Column(name="OS-Image", json_path=".status.nodeInfo.osImage", priority=1),
    Column(name="Kernel-Version", json_path=".status.nodeInfo.kernelVersion", priority=1),
)


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
        strategy=OwnNodeStrategy(),
        has_status=True,
        selectable_fields=("spec.unschedulable",),
    )
