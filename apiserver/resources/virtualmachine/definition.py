"""VirtualMachine: wiring only; the rules live in the sibling modules."""

from apiserver.machinery.resource import Column, Resource, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources.virtualmachine.strategy import VirtualMachineStrategy

GROUP = "kubevirt.io"
KIND = "VirtualMachine"
COLUMNS = (
    Column(name="Age", json_path=".metadata.creationTimestamp", type="date"),
    Column(name="Status", json_path=".status.printableStatus"),
    Column(name="Ready", json_path=".status.conditions[?(@.type=='Ready')].status"),
)


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    return Resource(
        group=GROUP,
        kind=KIND,
        plural="virtualmachines",
        singular="virtualmachine",
        short_names=("vm", "vms"),
        categories=("all",),
        namespaced=True,
        versions=(Version(name="v1", schema=catalogue.schema(GROUP, "v1", KIND), columns=COLUMNS),),
        strategy=VirtualMachineStrategy(),
        has_status=True,
        has_generation=True,
        selectable_fields=("status.printableStatus",),
    )
