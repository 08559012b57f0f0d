"""ConfigMap: keys and values."""

import re
from collections.abc import Iterable, Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Column, Object, Resource, Strategy, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources.rules import AGE
from kube.encoding import decode

VALUES = ("data", "binaryData")
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_LONGEST_KEY = 253
_LARGEST = 1024 * 1024
"""Bytes of all keys and values together."""
COLUMNS = (
    Column(name="Data", type="integer", value=lambda each: sum(len(each.get(field) or {}) for field in VALUES)),
    AGE,
)


class ConfigMapStrategy(Strategy):
    """Keys that can be names of files, and values that may be fixed for good.

    Source: ``k8s.io/kubernetes/pkg/apis/core/validation.ValidateConfigMap``.
    """

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield keys that are no names of files or are given twice, values that are no base64, and too much of all."""
        for field in VALUES:
            yield from key_errors(new.get(field) or {}, field)
        for key in (new.get("data") or {}).keys() & (new.get("binaryData") or {}).keys():
            yield FieldError.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
        total = sum(len(value.encode(errors="replace")) for value in (new.get("data") or {}).values())
        for key, value in (new.get("binaryData") or {}).items():
            try:
                total += len(decode(value))
            except ValueError:
                yield FieldError.invalid(f"binaryData[{key}]", value, "must be base64")
        if total > _LARGEST:
            yield FieldError("FieldValueTooLong", "", f"Too long: may not be more than {_LARGEST} bytes")

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield also changes of what was declared immutable."""
        if old.get("immutable"):
            if not new.get("immutable"):
                yield FieldError.forbidden("immutable", "field is immutable when `immutable` is set")
            for field in VALUES:
                if (new.get(field) or {}) != (old.get(field) or {}):
                    yield FieldError.forbidden(field, "field is immutable when `immutable` is set")
        yield from self.validate(new, caller)


def key_errors(keys: Iterable[str], path: str) -> Iterator[FieldError]:
    """Yield an error for every key that cannot be the name of a file (``util/validation.IsConfigMapKey``)."""
    for key in keys:
        if len(key) > _LONGEST_KEY:
            yield FieldError.invalid(f"{path}[{key}]", key, f"must be no more than {_LONGEST_KEY} characters")
        elif not _KEY.fullmatch(key):
            detail = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
            yield FieldError.invalid(f"{path}[{key}]", key, detail)
        elif key == ".":
            yield FieldError.invalid(f"{path}[{key}]", key, "must not be '.'")
        elif key.startswith(".."):
            rule = "must not be '..'" if key == ".." else "must not start with '..'"
            yield FieldError.invalid(f"{path}[{key}]", key, rule)


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    return Resource(
        group="",
        kind="ConfigMap",
        plural="configmaps",
        singular="configmap",
        short_names=("cm",),
        namespaced=True,
        versions=(Version(name="v1", schema=catalogue.schema("", "v1", "ConfigMap"), columns=COLUMNS),),
        strategy=ConfigMapStrategy(),
    )
