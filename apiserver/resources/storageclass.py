"""StorageClass: a kind of storage and how its volumes are made."""

from collections.abc import Iterable

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Column, Object, Resource, Stored, Strategy, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources.rules import AGE
from kube.names import key_problem

STORAGE_CLASSES = "storageclasses.storage.k8s.io"
_DEFAULT_ANNOTATIONS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
FIXED = ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")
_LARGEST_PARAMETERS = 256 * 1024
_MOST_PARAMETERS = 512
COLUMNS = (
    Column(name="Provisioner", json_path=".provisioner"),
    Column(name="ReclaimPolicy", json_path=".reclaimPolicy"),
    Column(name="VolumeBindingMode", json_path=".volumeBindingMode"),
    Column(name="AllowVolumeExpansion", type="boolean", value=lambda each: each.get("allowVolumeExpansion", False)),
    AGE,
)


class StorageClassStrategy(Strategy):
    """Volumes count on what their class was.

    Source: ``k8s.io/kubernetes/pkg/apis/storage/validation.ValidateStorageClass``.
    """

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield a provisioner that is no qualified name, and parameters without a key or too many of them."""
        if not new["provisioner"]:
            yield FieldError.required("provisioner")
        elif problem := key_problem(new["provisioner"].lower()):
            yield FieldError.invalid("provisioner", new["provisioner"], problem)
        parameters = new.get("parameters") or {}
        if "" in parameters:
            yield FieldError.invalid("parameters", "", "field can not be empty.")
        size = sum(len(key.encode()) + len(value.encode(errors="replace")) for key, value in parameters.items())
        for amount, most, unit in (
            (len(parameters), _MOST_PARAMETERS, "parameters"),
            (size, _LARGEST_PARAMETERS, "bytes"),
        ):
            if amount > most:
                yield FieldError("FieldValueTooLong", "parameters", f"Too long: may not be more than {most} {unit}")

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield also changes of what is fixed."""
        yield from self.validate(new, caller)
        for field in FIXED:
            if new.get(field) != old.get(field):
                yield FieldError.forbidden(field, f"updates to {field} are forbidden.")


def default_class(stored: Stored) -> str | None:
    """Return the name of the class of claims that name none: the newest that is marked so, or None.

    Source: ``k8s.io/kubernetes/pkg/volume/util.GetDefaultClass``.
    """
    marked = [each for each in stored.all(STORAGE_CLASSES) if _is_default(each)]
    names = sorted(each["metadata"]["name"] for each in marked if _born(each) == max(map(_born, marked)))
    return names[0] if names else None


def _is_default(storage_class: Object) -> bool:
    annotations = storage_class["metadata"].get("annotations", {})
    return any(annotations.get(name) == "true" for name in _DEFAULT_ANNOTATIONS)


def _born(storage_class: Object) -> str:
    return storage_class["metadata"]["creationTimestamp"]


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    group = "storage.k8s.io"
    return Resource(
        group=group,
        kind="StorageClass",
        plural="storageclasses",
        singular="storageclass",
        short_names=("sc",),
        namespaced=False,
        returns_deleted=True,
        versions=(Version(name="v1", schema=catalogue.schema(group, "v1", "StorageClass"), columns=COLUMNS),),
        strategy=StorageClassStrategy(),
    )
