"""VirtualMachineInstance: wiring only; the rules live in the sibling modules."""

from apiserver.machinery.resource import Column, Resource
from apiserver.machinery.schema import Catalogue
from apiserver.resources.cluster import Cluster
from apiserver.resources.kubevirtio import GROUP, versions
from apiserver.resources.virtualmachineinstance.conversions import conversions
from apiserver.resources.virtualmachineinstance.strategy import VirtualMachineInstanceStrategy

KIND = "VirtualMachineInstance"
COLUMNS = (
    Column(name="Age", json_path=".metadata.creationTimestamp", type="date"),
    Column(name="Phase", json_path=".status.phase"),
    Column(name="IP", json_path=".status.interfaces[0].ipAddress"),
    Column(name="NodeName", json_path=".status.nodeName"),
    Column(name="Ready", json_path=".status.conditions[?(@.type=='Ready')].status"),
    Column(name="Live-Migratable", json_path=".status.conditions[?(@.type=='LiveMigratable')].status", priority=1),
    Column(name="Paused", json_path=".status.conditions[?(@.type=='Paused')].status", priority=1),
)


def resource(catalogue: Catalogue, cluster: Cluster) -> Resource:
    """Define the kind."""
    return Resource(
        group=GROUP,
        kind=KIND,
        plural="virtualmachineinstances",
        singular="virtualmachineinstance",
        short_names=("vmi", "vmis"),
        categories=("all",),
        namespaced=True,
        versions=versions(catalogue, KIND, COLUMNS, conversions()),
        strategy=VirtualMachineInstanceStrategy(cluster),
        has_status=True,
        has_generation=True,
        custom=True,
        selectable_fields=("status.nodeName", "status.phase"),
    )
