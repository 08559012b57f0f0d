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

    def settle(self, obj: Object) -> None:
        """Encode ``stringData`` (``Convert_v1_Secret_To_core_Secret``)."""
        plain = obj.pop("stringData", None) or {}
        if plain:
            encoded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
            obj["data"] = {**(obj.get("data") or {}), **encoded}

    def prepare_for_create(self, new: Object, caller: Caller) -> None:
        """A Secret without a type is Opaque."""
        new.setdefault("type", "Opaque")

    def prepare_for_update(self, new: Object, old: Object, caller: Caller) -> None:
        """A type that is left out stays."""
        new.setdefault("type", old.get("type", "Opaque"))

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
        confidential=True,
    )
