"""VirtualMachineSnapshot: a wish to keep a machine as it is now."""

from collections.abc import Iterable

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Column, Object, Resource, Strategy
from apiserver.machinery.schema import Catalogue
from apiserver.resources.cluster import Cluster
from apiserver.resources.gates import gate_errors
from apiserver.resources.rules import duration_errors, immutable, reference_errors
from apiserver.resources.versions import versions

GROUP = "snapshot.kubevirt.io"
VERSIONS = ("v1beta1", "v1alpha1")
GATE = "Snapshot"
KIND = "VirtualMachineSnapshot"
MACHINES = {"VirtualMachine": "kubevirt.io"}
COLUMNS = (
    Column(name="SourceKind", json_path=".spec.source.kind"),
    Column(name="SourceName", json_path=".spec.source.name"),
    Column(name="Phase", json_path=".status.phase"),
    Column(name="ReadyToUse", json_path=".status.readyToUse", type="boolean"),
    Column(name="CreationTime", json_path=".status.creationTime", type="date"),
    Column(name="Error", json_path=".status.error.message"),
)


class VirtualMachineSnapshotStrategy(Strategy):
    """A snapshot is of one moment, so what it is of cannot change.

    Source: KubeVirt's ``pkg/storage/admitters/vmsnapshot.go``.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the spec."""
        spec = new["spec"]
        yield from gate_errors(self._cluster.configuration, GATE, "spec")
        yield from reference_errors(spec["source"], "spec.source", MACHINES)
        if "failureDeadline" in spec:
            yield from duration_errors(spec["failureDeadline"], "spec.failureDeadline")

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield an error when the spec has changed."""
        return immutable(new, old, ("spec",))


def resource(catalogue: Catalogue, cluster: Cluster) -> Resource:
    """Define the kind."""
    return Resource(
        group=GROUP,
        kind=KIND,
        plural="virtualmachinesnapshots",
        singular="virtualmachinesnapshot",
        short_names=("vmsnapshot", "vmsnapshots"),
        categories=("all",),
        namespaced=True,
        versions=versions(catalogue, GROUP, KIND, VERSIONS, COLUMNS),
        strategy=VirtualMachineSnapshotStrategy(cluster),
        has_status=True,
        has_generation=True,
        custom=True,
        unattended=True,
    )
