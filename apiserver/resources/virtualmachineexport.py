"""VirtualMachineExport: a wish to download a machine, or a volume."""

from collections.abc import Iterable

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Column, Object, Resource, Strategy
from apiserver.machinery.schema import Catalogue
from apiserver.resources.cluster import Cluster
from apiserver.resources.gates import gate_errors
from apiserver.resources.rules import duration_errors, immutable, reference_errors
from apiserver.resources.versions import versions

GROUP = "export.kubevirt.io"
VERSIONS = ("v1", "v1beta1", "v1alpha1")
KIND = "VirtualMachineExport"
SOURCES = {
    "PersistentVolumeClaim": "",
    "VirtualMachine": "kubevirt.io",
    "VirtualMachineSnapshot": "snapshot.kubevirt.io",
    "VirtualMachineBackup": "backup.kubevirt.io",
    "VirtualMachineTemplate": "template.kubevirt.io",
}
COLUMNS = (
    Column(name="SourceKind", json_path=".spec.source.kind"),
    Column(name="SourceName", json_path=".spec.source.name"),
    Column(name="Phase", json_path=".status.phase"),
)


class VirtualMachineExportStrategy(Strategy):
    """What is offered for download does not become something else.

    Source: KubeVirt's ``pkg/storage/admitters/vmexport.go``.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with a new export."""
        spec = new["spec"]
        yield from reference_errors(spec["source"], "spec.source", SOURCES)
        if spec["source"]["kind"] == "VirtualMachineTemplate":
            yield from gate_errors(self._cluster.configuration, "OCIExport", "spec.source.kind")
        if "ttlDuration" in spec:
            yield from duration_errors(spec["ttlDuration"], "spec.ttlDuration")

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield an error when the spec has changed."""
        return immutable(new, old, ("spec",))


def resource(catalogue: Catalogue, cluster: Cluster) -> Resource:
    """Define the kind."""
    return Resource(
        group=GROUP,
        kind=KIND,
        plural="virtualmachineexports",
        singular="virtualmachineexport",
        short_names=("vmexport", "vmexports"),
        categories=("all",),
        namespaced=True,
        versions=versions(catalogue, GROUP, KIND, VERSIONS, COLUMNS, deprecated=VERSIONS[1:]),
        strategy=VirtualMachineExportStrategy(cluster),
        has_status=True,
        has_generation=True,
        custom=True,
        unattended=True,
    )
