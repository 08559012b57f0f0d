"""VirtualMachineRestore: a wish to make a machine as it was when a snapshot was taken."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Column, Object, Resource, Strategy
from apiserver.machinery.schema import Catalogue
from apiserver.resources.cluster import Cluster
from apiserver.resources.gates import gate_errors
from apiserver.resources.rules import immutable, reference_errors
from apiserver.resources.versions import spec_conversion, versions, without
from apiserver.resources.virtualmachinesnapshot import GATE, GROUP, MACHINES, VERSIONS

KIND = "VirtualMachineRestore"
PLURAL = "virtualmachinerestores"
COLUMNS = (
    Column(name="TargetKind", json_path=".spec.target.kind"),
    Column(name="TargetName", json_path=".spec.target.name"),
    Column(name="Complete", json_path=".status.complete", type="boolean"),
    Column(name="RestoreTime", json_path=".status.restoreTime", type="date"),
)
RESTORE_POLICIES = ("RandomizeNames", "InPlace", "PrefixTargetName")
OWNERSHIP_POLICIES = ("Vm", "None")
_POLICIES = ("targetReadinessPolicy", "volumeRestorePolicy", "volumeOwnershipPolicy", "volumeRestoreOverrides")
_PATCHED = ("/spec/", "/metadata/labels/", "/metadata/annotations/")
_SET = ("restoreName", "labels", "annotations")
_CONVERSIONS = {
    "v1alpha1": spec_conversion(
        GROUP,
        "v1beta1",
        "v1alpha1",
        to_hub=lambda spec: {**spec, "targetReadinessPolicy": "WaitGracePeriod"},
        from_hub=lambda spec: without(spec, _POLICIES),
    )
}


class VirtualMachineRestoreStrategy(Strategy):
    """A machine is restored once at a time, and a restore that has begun goes on as it was asked for.

    Source: KubeVirt's ``pkg/storage/admitters/vmrestore.go``.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with a new restore."""
        spec = new["spec"]
        yield from gate_errors(self._cluster.configuration, GATE, "spec")
        yield from reference_errors(spec["target"], "spec.target", MACHINES)
        for field, policies in (
            ("volumeRestorePolicy", RESTORE_POLICIES),
            ("volumeOwnershipPolicy", OWNERSHIP_POLICIES),
        ):
            if field in spec and spec[field] not in policies:
                yield FieldError.not_supported(f"spec.{field}", spec[field], policies)
        yield from _override_errors(spec)
        for i, patch in enumerate(spec.get("patches", [])):
            yield from _patch_errors(patch, f"spec.patches[{i}]")
        yield from self._in_progress(new)
        yield from self._elsewhere(new)

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield an error when the spec has changed."""
        return immutable(new, old, ("spec",))

    def _in_progress(self, new: Object) -> Iterator[FieldError]:
        target = new["spec"]["target"]
        for other in self._cluster.stored.all(f"{PLURAL}.{GROUP}", new["metadata"]["namespace"]):
            if other["spec"]["target"] == target and not (other.get("status") or {}).get("complete"):
                detail = f"the restore {other['metadata']['name']} of the same machine is not complete"
                yield FieldError.invalid("spec.target", target, detail)

    def _elsewhere(self, new: Object) -> Iterator[FieldError]:
        """What a guest keeps in a persistent TPM or EFI store belongs to its machine alone."""
        spec, namespace, stored = new["spec"], new["metadata"]["namespace"], self._cluster.stored
        snapshot = stored.one(f"virtualmachinesnapshots.{GROUP}", namespace, spec["virtualMachineSnapshotName"])
        status = (snapshot or {}).get("status") or {}
        content_name = status.get("virtualMachineSnapshotContentName")
        target = stored.one("virtualmachines.kubevirt.io", namespace, spec["target"]["name"])
        if content_name is None or (target or {}).get("metadata", {}).get("uid", "") == status.get("sourceUID"):
            return
        content = stored.one(f"virtualmachinesnapshotcontents.{GROUP}", namespace, content_name)
        machine = (content or {}).get("spec", {}).get("source", {}).get("virtualMachine", {})
        if _keeps_state(machine.get("spec", {})):
            detail = "a snapshot of a machine with a persistent TPM or EFI can be restored to that machine only"
            yield FieldError.invalid("spec.target", spec["target"], detail)


def _keeps_state(spec: Object) -> bool:
    domain = spec.get("template", {}).get("spec", {}).get("domain", {})
    tpm = domain.get("devices", {}).get("tpm", {})
    efi = domain.get("firmware", {}).get("bootloader", {}).get("efi", {})
    return (tpm.get("persistent", False) and tpm.get("enabled", True)) or efi.get("persistent", False)


def _override_errors(spec: Object) -> Iterator[FieldError]:
    for i, override in enumerate(spec.get("volumeRestoreOverrides", [])):
        path = f"spec.volumeRestoreOverrides[{i}]"
        if not override.get("volumeName"):
            yield FieldError.required(f"{path}.volumeName")
        if not any(override.get(field) for field in _SET):
            yield FieldError.required(path, f"set at least one of {', '.join(_SET)}")


def _patch_errors(text: str, path: str) -> Iterator[FieldError]:
    try:
        operation: Any = orjson.loads(text)
    except orjson.JSONDecodeError as problem:
        yield FieldError.invalid(path, text, f"is not JSON: {problem}")
        return
    where = operation.get("path") if isinstance(operation, dict) and "op" in operation else None
    if not isinstance(where, str):
        yield FieldError.invalid(path, text, "must be one operation of a JSON Patch, with op and path")
    elif not where.startswith(_PATCHED):
        yield FieldError.invalid(path, text, f"its path must begin with one of {', '.join(_PATCHED)}")


def resource(catalogue: Catalogue, cluster: Cluster) -> Resource:
    """Define the kind."""
    return Resource(
        group=GROUP,
        kind=KIND,
        plural=PLURAL,
        singular="virtualmachinerestore",
        short_names=("vmrestore", "vmrestores"),
        categories=("all",),
        namespaced=True,
        versions=versions(catalogue, GROUP, KIND, VERSIONS, COLUMNS, _CONVERSIONS),
        strategy=VirtualMachineRestoreStrategy(cluster),
        has_status=True,
        has_generation=True,
        custom=True,
        unattended=True,
    )
