"""Secret: keys and values for those who need them."""

import base64
from collections.abc import Iterable

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Column, Object, Resource, Strategy, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources.configmap import key_errors
from apiserver.resources.rules import AGE
from kube.encoding import decode

REQUIRED_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
"""What a Secret of a type must have (``k8s.io/kubernetes/pkg/apis/core/validation.ValidateSecret``)."""
COLUMNS = (
    Column(name="Type", json_path=".type"),
    Column(name="Data", type="integer", value=lambda each: len(each.get("data") or {})),
    AGE,
)


class SecretStrategy(Strategy):
    """Plain text goes in and base64 comes out; the type stays what it was."""

    def prepare_for_create(self, new: Object, caller: Caller) -> None:
        """Encode ``stringData``; a Secret without a type is Opaque."""
        new.setdefault("type", "Opaque")
        _encode(new)

    def prepare_for_update(self, new: Object, old: Object, caller: Caller) -> None:
        """Encode ``stringData``."""
        new.setdefault("type", old.get("type", "Opaque"))
        _encode(new)

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield keys that cannot be, those whose values are not base64, and those that are missing; never values."""
        yield from key_errors(new.get("data", {}), "data")
        for key in REQUIRED_KEYS.get(new["type"], ()):
            if key not in new.get("data", {}):
                yield FieldError.required(f"data[{key}]")
        for key, value in new.get("data", {}).items():
            try:
                decode(value)
            except ValueError:
                yield FieldError(
                    "FieldValueInvalid", f"data[{key}]", "Invalid value: must be base64; or use stringData"
                )

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield also changes of what cannot change."""
        yield from self.validate(new, caller)
        if new["type"] != old["type"]:
            yield FieldError.invalid("type", new["type"], "field is immutable")
        if old.get("immutable") and (new.get("data") != old.get("data") or not new.get("immutable")):
            yield FieldError.forbidden("data", "field is immutable when `immutable` is set")


def _encode(new: Object) -> None:
    plain = new.pop("stringData", None) or {}
    if plain:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
        new["data"] = {**(new.get("data") or {}), **encoded}


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    return Resource(
        group="",
        kind="Secret",
        plural="secrets",
        singular="secret",
        namespaced=True,
        versions=(Version(name="v1", schema=catalogue.schema("", "v1", "Secret"), columns=COLUMNS),),
        strategy=SecretStrategy(),
        selectable_fields=("type",),
    )
