"""Object metadata: names, labels, owners, and what the server fills in.

Source of the rules: ``k8s.io/apimachinery/pkg/api/validation``.
"""

from collections.abc import Iterator
from typing import Any

from apiserver.machinery.errors import FieldError
from kube.names import NameRule, generated_name, key_problem, new_uuid, subdomain_problem, value_problem
from kube.timestamps import to_time, utc_now

_ANNOTATIONS_LIMIT = 256 * 1024
"""Bytes of all annotation keys and values together."""


def fill_new_metadata(metadata: dict[str, Any], namespace: str) -> None:
    """Give the metadata of an object that is being created its name, uid and birthday, in place.

    ``namespace`` is empty for cluster-scoped objects. What only the server may set is overwritten.
    """
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = generated_name(metadata["generateName"])
    for key in ("resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "namespace"):
        metadata.pop(key, None)
    if namespace:
        metadata["namespace"] = namespace
    metadata["uid"] = new_uuid()
    metadata["creationTimestamp"] = to_time(utc_now())


def drop_empty(metadata: dict[str, Any]) -> None:
    """Remove collections that hold nothing, in place: Kubernetes' ObjectMeta writes none (``omitempty``)."""
    for name in ("labels", "annotations", "finalizers", "ownerReferences"):
        if name in metadata and not metadata[name]:
            del metadata[name]


def validate_metadata(metadata: dict[str, Any], problem_of: NameRule = subdomain_problem) -> Iterator[FieldError]:
    """Yield everything wrong with ``metadata`` whose types the schema has already checked.

    ``problem_of`` is the rule for names of the kind.
    """
    if not (name := metadata.get("name")):
        yield FieldError.required("metadata.name", "name or generateName is required")
    elif problem := problem_of(name):
        yield FieldError.invalid("metadata.name", name, problem)
    prefix = metadata.get("generateName")
    # A prefix may end in a dash or a dot: the suffix follows.
    if prefix and (problem := problem_of(f"{prefix}a")):
        yield FieldError.invalid("metadata.generateName", prefix, problem)
    yield from validate_labels(metadata.get("labels") or {}, "metadata.labels")
    yield from validate_annotations(metadata.get("annotations") or {}, "metadata.annotations")
    for finalizer in metadata.get("finalizers") or ():
        if problem := key_problem(finalizer):
            yield FieldError.invalid("metadata.finalizers", finalizer, problem)
    yield from _validate_owners(metadata.get("ownerReferences") or [])


def validate_metadata_update(
    new: dict[str, Any], old: dict[str, Any], problem_of: NameRule = subdomain_problem
) -> Iterator[FieldError]:
    """Yield an error for every change from ``old`` to ``new`` metadata that nobody may make."""
    for key in ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp"):
        if new.get(key) != old.get(key):
            yield FieldError.invalid(f"metadata.{key}", new.get(key), "field is immutable")
    if old.get("deletionTimestamp"):
        known = set(old.get("finalizers") or ())
        added = [each for each in new.get("finalizers") or () if each not in known]
        if added:
            yield FieldError.forbidden(
                "metadata.finalizers",
                f"no new finalizers can be added if the object is being deleted, found new finalizers {added}",
            )
    yield from validate_metadata(new, problem_of)


def validate_labels(labels: dict[str, str], path: str) -> Iterator[FieldError]:
    """Yield everything wrong with the keys and values of ``labels``."""
    for key, value in labels.items():
        if problem := key_problem(key):
            yield FieldError.invalid(path, key, problem)
        if problem := value_problem(value):
            yield FieldError.invalid(path, value, problem)


def validate_annotations(annotations: dict[str, str], path: str) -> Iterator[FieldError]:
    """Yield everything wrong with the keys and the size of ``annotations``."""
    for key in annotations:
        if problem := key_problem(key.lower()):
            yield FieldError.invalid(path, key, problem)
    if sum(len(k.encode()) + len(v.encode()) for k, v in annotations.items()) > _ANNOTATIONS_LIMIT:
        yield FieldError("FieldValueTooLong", path, f"Too long: may not be more than {_ANNOTATIONS_LIMIT} bytes")


def _validate_owners(owners: list[dict[str, Any]]) -> Iterator[FieldError]:
    controllers: list[str] = []
    for i, owner in enumerate(owners):
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(key):
                yield FieldError.invalid(f"metadata.ownerReferences[{i}].{key}", "", f"{key} must not be empty")
        if owner.get("controller"):
            controllers.append(f"{owner.get('kind')}/{owner.get('name')}")
    if len(controllers) > 1:
        yield FieldError.invalid(
            "metadata.ownerReferences",
            owners,
            f"Only one reference can have Controller set to true. Found: {', '.join(controllers)}",
        )
