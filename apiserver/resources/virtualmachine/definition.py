"""VirtualMachine: wiring only; the rules live in the sibling modules."""

from apiserver.machinery.resource import Column, Resource
from apiserver.machinery.schema import Catalogue
from apiserver.resources.cluster import Cluster
from apiserver.resources.kubevirtio import GROUP, versions
from apiserver.resources.virtualmachine import v1alpha1
from apiserver.resources.virtualmachine.strategy import VirtualMachineStrategy
from apiserver.resources.virtualmachineinstance.conversions import conversions

KIND = "VirtualMachine"
COLUMNS = (
    Column(name="Age", json_path=".metadata.creationTimestamp", type="date"),
    Column(name="Status", json_path=".status.printableStatus"),
    Column(name="Ready", json_path=".status.conditions[?(@.type=='Ready')].status"),
)
_CONVERSIONS = {**conversions("template", "spec"), "v1alpha1": v1alpha1.CONVERSION}


def resource(catalogue: Catalogue, cluster: Cluster) -> Resource:
    """Define the kind."""
    return Resource(
        group=GROUP,
        kind=KIND,
        plural="virtualmachines",
        singular="virtualmachine",
        short_names=("vm", "vms"),
        categories=("all",),
        namespaced=True,
        versions=versions(catalogue, KIND, COLUMNS, _CONVERSIONS),
        strategy=VirtualMachineStrategy(cluster),
        has_status=True,
        has_generation=True,
        custom=True,
        selectable_fields=("status.printableStatus",),
    )
