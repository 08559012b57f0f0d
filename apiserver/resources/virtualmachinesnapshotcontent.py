"""VirtualMachineSnapshotContent: what a snapshot holds."""

from apiserver.machinery.resource import Column, Resource
from apiserver.machinery.schema import Catalogue
from apiserver.resources.versions import versions
from apiserver.resources.virtualmachinesnapshot import GROUP, VERSIONS

KIND = "VirtualMachineSnapshotContent"
COLUMNS = (
    Column(name="ReadyToUse", json_path=".status.readyToUse", type="boolean"),
    Column(name="CreationTime", json_path=".status.creationTime", type="date"),
    Column(name="Error", json_path=".status.error.message"),
)


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind. Nothing judges it: as in KubeVirt, it is made for snapshots and holds what was there."""
    return Resource(
        group=GROUP,
        kind=KIND,
        plural="virtualmachinesnapshotcontents",
        singular="virtualmachinesnapshotcontent",
        short_names=("vmsnapshotcontent", "vmsnapshotcontents"),
        categories=("all",),
        namespaced=True,
        versions=versions(catalogue, GROUP, KIND, VERSIONS, COLUMNS),
        has_status=True,
        has_generation=True,
        custom=True,
        unattended=True,
    )
