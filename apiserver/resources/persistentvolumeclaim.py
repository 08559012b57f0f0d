"""PersistentVolumeClaim: a wish for storage that lasts."""

from collections.abc import Iterable, Iterator
from typing import Any

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Column, Object, Resource, Strategy, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources.accessmodes import abbreviated, access_mode_errors
from apiserver.resources.cluster import Cluster
from apiserver.resources.limits import claim_refusal
from apiserver.resources.rules import AGE, amounts, phase, write_amounts
from apiserver.resources.storageclass import default_class
from kube.names import subdomain_problem
from kube.quantity import parse

STORAGE = "storage"
_GROWS = ("resources", "volumeAttributesClassName")
"""What of the spec may change once the claim is bound."""
_FIXED = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
_OLD_CLASS = "volume.beta.kubernetes.io/storage-class"
"""Annotation: how a claim named its class before there was a field."""
_SIZE = "spec.resources.requests.storage"


def _when_bound(claim: Object, field: str) -> Any:
    return claim.get("status", {}).get(field) if claim.get("spec", {}).get("volumeName") else None


COLUMNS = (
    Column(
        name="Status",
        value=phase,
    ),
    Column(name="Volume", json_path=".spec.volumeName"),
    Column(name="Capacity", value=lambda each: (_when_bound(each, "capacity") or {}).get(STORAGE, "")),
    Column(name="Access Modes", value=lambda each: abbreviated(_when_bound(each, "accessModes"))),
    Column(name="StorageClass", json_path=".spec.storageClassName"),
    AGE,
    Column(name="VolumeMode", json_path=".spec.volumeMode", priority=1),
)


class PersistentVolumeClaimStrategy(Strategy):
    """A claim is Pending until it is bound; of what it asks for only the size changes later.

    Source: ``k8s.io/kubernetes/pkg/apis/core/validation.ValidatePersistentVolumeClaim``.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def settle(self, obj: Object) -> None:
        """Write sizes as Kubernetes does."""
        for fields in (("spec", "resources", "requests"), ("spec", "resources", "limits"), ("status", "capacity")):
            write_amounts(obj, *fields)

    def prepare_for_create(self, new: Object, caller: Caller) -> None:
        """Start Pending, of the default class where none is named (admission plugin DefaultStorageClass)."""
        new["status"] = {"phase": "Pending"}
        named = "storageClassName" in new.get("spec", {}) or _OLD_CLASS in new["metadata"].get("annotations", {})
        if not named and (name := default_class(self._cluster.stored)):
            new["spec"] = {**new.get("spec", {}), "storageClassName": name}

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the spec."""
        spec = new.get("spec") or {}
        yield from access_mode_errors(spec.get("accessModes"))
        requests = spec.get("resources", {}).get("requests", {})
        if STORAGE not in requests:
            yield FieldError.required(_SIZE)
        else:
            yield from _size_errors(requests)
        for field in ("storageClassName", "volumeAttributesClassName"):
            if spec.get(field) and (problem := subdomain_problem(spec[field])):
                yield FieldError.invalid(f"spec.{field}", spec[field], problem)

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield also changes of what is fixed, and a size below the one it has."""
        found = list(self.validate(new, caller))
        yield from found
        if found:
            return
        spec, before = new["spec"], old["spec"]
        bound = old.get("status", {}).get("phase") == "Bound"
        free = {*(_GROWS if bound else ()), *(() if before.get("volumeName") else ("volumeName",))}
        if _without(spec, free) != _without(before, free):
            yield FieldError.forbidden("spec", _FIXED)
        elif parse(spec["resources"]["requests"][STORAGE]) < parse(_least(old)):
            detail = "field can not be less than status.capacity"
            yield FieldError.forbidden(_SIZE, detail)

    def refuses_write(self, new: Object, old: Object | None) -> str | None:
        """Keep to the limit ranges of the namespace; a claim that keeps its size may stay as it is."""
        if old is not None and new["spec"].get("resources") == old["spec"].get("resources"):
            return None
        return claim_refusal(self._cluster.stored, new)


def _size_errors(requests: Object) -> Iterator[FieldError]:
    wrong = list(amounts({STORAGE: requests[STORAGE]}, "spec.resources.requests"))
    yield from wrong
    if not wrong and not parse(requests[STORAGE]):
        yield FieldError.invalid(_SIZE, requests[STORAGE], "must be greater than zero")


def _least(claim: Object) -> str:
    """Return the size that a claim has, or without one what it asked for."""
    has = claim.get("status", {}).get("capacity", {}).get(STORAGE)
    return has or claim["spec"]["resources"]["requests"][STORAGE]


def _without(spec: Object, free: set[str]) -> Object:
    return {key: value for key, value in spec.items() if key not in free}


def resource(catalogue: Catalogue, cluster: Cluster) -> Resource:
    """Define the kind."""
    return Resource(
        group="",
        kind="PersistentVolumeClaim",
        plural="persistentvolumeclaims",
        singular="persistentvolumeclaim",
        short_names=("pvc",),
        namespaced=True,
        returns_deleted=True,
        versions=(Version(name="v1", schema=catalogue.schema("", "v1", "PersistentVolumeClaim"), columns=COLUMNS),),
        strategy=PersistentVolumeClaimStrategy(cluster),
        has_status=True,
    )
