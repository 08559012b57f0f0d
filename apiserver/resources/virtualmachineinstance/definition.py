"""VirtualMachineInstance: wiring only; the rules live in the sibling modules."""

from apiserver.machinery.resource import Column, Resource, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources.virtualmachineinstance.strategy import VirtualMachineInstanceStrategy

GROUP = "kubevirt.io"
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


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    return Resource(
        group=GROUP,
        kind=KIND,
        plural="virtualmachineinstances",
        singular="virtualmachineinstance",
        short_names=("vmi", "vmis"),
        categories=("all",),
        namespaced=True,
        versions=(Version(name="v1", schema=catalogue.schema(GROUP, "v1", KIND), columns=COLUMNS),),
        strategy=VirtualMachineInstanceStrategy(),
        has_status=True,
        has_generation=True,
        selectable_fields=("status.nodeName", "status.phase"),
    )
