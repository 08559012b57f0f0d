"""PersistentVolume: a piece of storage that lasts."""

from collections.abc import Iterable

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Column, Object, Resource, Strategy, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources.accessmodes import abbreviated, access_mode_errors
from apiserver.resources.rules import AGE, amounts, immutable, phase, write_amounts
from kube.names import subdomain_problem

SOURCES = ("csi", "fc", "hostPath", "iscsi", "local", "nfs")
STORAGE = "storage"


def _claim(volume: Object) -> str:
    claim = volume.get("spec", {}).get("claimRef") or {}
    return f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else ""


COLUMNS = (
    Column(name="Capacity", json_path=".spec.capacity.storage"),
    Column(name="Access Modes", value=lambda each: abbreviated(each.get("spec", {}).get("accessModes"))),
    Column(name="Reclaim Policy", json_path=".spec.persistentVolumeReclaimPolicy"),
    Column(
        name="Status",
        value=phase,
    ),
    Column(name="Claim", value=_claim),
    Column(name="StorageClass", json_path=".spec.storageClassName"),
    Column(name="Reason", json_path=".status.reason"),
    AGE,
    Column(name="VolumeMode", json_path=".spec.volumeMode", priority=1),
)


class PersistentVolumeStrategy(Strategy):
    """A volume has one source, which never changes.

    Source: ``k8s.io/kubernetes/pkg/apis/core/validation.ValidatePersistentVolume``.
    """

    def settle(self, obj: Object) -> None:
        """Write the size as Kubernetes does."""
        write_amounts(obj, "spec", "capacity")

    def prepare_for_create(self, new: Object, caller: Caller) -> None:
        """Start Pending."""
        new["status"] = {"phase": "Pending"}

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the spec."""
        spec = new.get("spec") or {}
        yield from access_mode_errors(spec.get("accessModes"))
        capacity = spec.get("capacity") or {}
        if not capacity:
            yield FieldError.required("spec.capacity")
        elif list(capacity) != [STORAGE]:
            yield FieldError.not_supported("spec.capacity", sorted(capacity), [STORAGE])
        yield from amounts(capacity, "spec.capacity")
        sources = [each for each in SOURCES if each in spec]
        if not sources:
            yield FieldError.required("spec", "must specify a volume type")
        for each in sources[1:]:
            yield FieldError.forbidden(f"spec.{each}", "may not specify more than 1 volume type")
        if "local" in spec and not spec.get("nodeAffinity", {}).get("required"):
            yield FieldError.required("spec.nodeAffinity", "Local volume requires node affinity")
        if spec.get("storageClassName") and (problem := subdomain_problem(spec["storageClassName"])):
            yield FieldError.invalid("spec.storageClassName", spec["storageClassName"], problem)

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield also a change of the source, of the mode, and of a node affinity once it is there."""
        yield from self.validate(new, caller)
        spec, before = new.get("spec", {}), old["spec"]
        if any(spec.get(each) != before.get(each) for each in SOURCES):
            source = "spec.persistentvolumesource"
            yield FieldError.forbidden(source, f"{source} is immutable after creation")
        fixed = ("volumeMode", "nodeAffinity") if before.get("nodeAffinity") else ("volumeMode",)
        yield from immutable(spec, before, fixed, "spec.")


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    return Resource(
        group="",
        kind="PersistentVolume",
        plural="persistentvolumes",
        singular="persistentvolume",
        short_names=("pv",),
        namespaced=False,
        returns_deleted=True,
        versions=(Version(name="v1", schema=catalogue.schema("", "v1", "PersistentVolume"), columns=COLUMNS),),
        strategy=PersistentVolumeStrategy(),
        has_status=True,
    )
