"""VirtualMachineInstanceMigration: the wish to move a running guest to another node."""

from collections.abc import Iterable, Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Column, Object, Resource, Strategy
from apiserver.machinery.schema import Catalogue
from apiserver.resources.cluster import Cluster
from apiserver.resources.gates import gate_errors
from apiserver.resources.kubevirtio import GROUP, versions
from apiserver.resources.rules import immutable
from apiserver.resources.versions import spec_conversion, without
from kube.instances import is_final

KIND = "VirtualMachineInstanceMigration"
COLUMNS = (
    Column(name="Phase", json_path=".status.phase"),
    Column(name="VMI", json_path=".spec.vmiName"),
)
INSTANCE_LABEL = "kubevirt.io/vmi-name"
"""Says which instance a migration moves, for those who look for it."""
PRIORITIES = ("system-critical", "user-triggered", "system-maintenance")
_INSTANCES = f"virtualmachineinstances.{GROUP}"
_MIGRATIONS = f"virtualmachineinstancemigrations.{GROUP}"
_OVER = ("Succeeded", "Failed")


class VirtualMachineInstanceMigrationStrategy(Strategy):
    """A migration moves one running guest once; there is one at a time for each.

    Source: KubeVirt's webhooks for migrations (``migration-create-admitter.go``, ``migration-update-admitter.go``).
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def prepare_for_create(self, new: Object, caller: Caller) -> None:
        """Label the migration with the instance that it moves."""
        if name := new["spec"].get("vmiName"):
            new["metadata"].setdefault("labels", {})[INSTANCE_LABEL] = name

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the migration, and why its guest cannot be moved."""
        spec = new["spec"]
        if not spec.get("vmiName"):
            yield FieldError.required("spec.vmiName", "name the instance to move")
        else:
            yield from self._instance_errors(new)
        if "priority" in spec and not caller.system:
            yield FieldError.forbidden("spec.priority", "only controllers say which migration goes first; remove this")
        elif spec.get("priority", PRIORITIES[0]) not in PRIORITIES:
            yield FieldError.not_supported("spec.priority", spec["priority"], PRIORITIES)
        yield from self._between_clusters(spec)

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield an error when the migration becomes another one."""
        yield from immutable(new, old, ("spec",))
        labels, before = (each["metadata"].get("labels", {}) for each in (new, old))
        is_over = new.get("status", {}).get("phase") in _OVER
        if not is_over and INSTANCE_LABEL in before and labels.get(INSTANCE_LABEL) != before[INSTANCE_LABEL]:
            yield FieldError.forbidden(f"metadata.labels[{INSTANCE_LABEL}]", "cannot change before the migration ends")

    def _instance_errors(self, new: Object) -> Iterator[FieldError]:
        name, namespace = new["spec"]["vmiName"], new["metadata"].get("namespace", "")
        instance = self._cluster.stored.one(_INSTANCES, namespace, name)
        if instance is None:
            yield FieldError("FieldValueNotFound", "spec.vmiName", f'Not found: "{name}": there is no such instance')
        elif is_final(instance):
            yield FieldError.invalid("spec.vmiName", name, "its guest has ended; only a running one can be moved")
        elif why := _obstacle(instance, new["spec"]):
            yield FieldError.invalid("spec.vmiName", name, f"its guest cannot be moved: {why}")
        for other in self._cluster.stored.all(_MIGRATIONS, namespace):
            if other["spec"].get("vmiName") == name and other.get("status", {}).get("phase") not in _OVER:
                detail = f"{other['metadata']['name']} moves it already; wait for that, or delete it"
                yield FieldError.invalid("spec.vmiName", name, detail)
                return

    def _between_clusters(self, spec: Object) -> Iterator[FieldError]:
        ends = [end for end in ("sendTo", "receive") if end in spec]
        for end in ends:
            yield from gate_errors(self._cluster.configuration, "DecentralizedLiveMigration", f"spec.{end}")
        ids = [spec[end].get("migrationID") for end in ends]
        if len(set(ids)) > 1:
            yield FieldError.invalid("spec.receive.migrationID", ids[1], f"must be that of sendTo, {ids[0]}")


def _obstacle(instance: Object, spec: Object) -> str | None:
    """Return why the guest cannot be moved, or None."""
    elsewhere = "sendTo" in spec or "receive" in spec
    for condition in instance.get("status", {}).get("conditions", ()):
        if condition["type"] == "LiveMigratable" and condition["status"] == "False":
            reason = condition.get("reason", "")
            # Disks are copied on the way to another cluster.
            if not (elsewhere and reason == "DisksNotLiveMigratable"):
                return f"{reason}: {condition.get('message', '')}"
    return None


def _to_hub(spec: Object) -> Object:
    named = {"vmiName": spec["selector"]["name"]} if "selector" in spec else {}
    return {**without(spec, ("selector",)), **named}


def _from_hub(spec: Object) -> Object:
    selector = {"selector": {"name": spec["vmiName"]}} if "vmiName" in spec else {}
    return {**without(spec, ("vmiName",)), **selector}


_CONVERSIONS = {"v1alpha1": spec_conversion(GROUP, "v1", "v1alpha1", _to_hub, _from_hub)}


def resource(catalogue: Catalogue, cluster: Cluster) -> Resource:
    """Define the kind."""
    return Resource(
        group=GROUP,
        kind=KIND,
        plural="virtualmachineinstancemigrations",
        singular="virtualmachineinstancemigration",
        short_names=("vmim", "vmims"),
        categories=("all",),
        namespaced=True,
        versions=versions(catalogue, KIND, COLUMNS, _CONVERSIONS),
        strategy=VirtualMachineInstanceMigrationStrategy(cluster),
        has_status=True,
        has_generation=True,
        custom=True,
        unattended=True,
    )
