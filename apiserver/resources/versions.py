"""The served versions of a kind of any group."""

from collections.abc import Callable, Mapping

from apiserver.machinery.conversion import Lossless
from apiserver.machinery.resource import Column, Conversion, Object, Version
from apiserver.machinery.schema import Catalogue

SpecChange = Callable[[Object], Object]
"""Returns a spec as another version has it; changes nothing."""


def versions(
    catalogue: Catalogue,
    group: str,
    kind: str,
    names: tuple[str, ...],
    columns: tuple[Column, ...] = (),
    conversions: Mapping[str, Conversion] | None = None,
    deprecated: tuple[str, ...] = (),
) -> tuple[Version, ...]:
    """Return the versions ``names`` of a kind, the hub first; one without a conversion has the shape of the hub."""
    hub = names[0]
    return tuple(
        Version(
            name=name,
            schema=catalogue.schema(group, name, kind),
            conversion=(conversions or {}).get(name),
            columns=columns,
            deprecation=None
            if name not in deprecated
            else f"{group}/{name} {kind} is deprecated; use {group}/{hub} {kind}",
        )
        for name in names
    )


class SpecSpoke:
    """The spoke of a version that differs from the hub in the spec alone."""

    def __init__(self, group: str, hub: str, version: str, to_hub: SpecChange, from_hub: SpecChange) -> None:
        self._hub = f"{group}/{hub}"
        self._version = f"{group}/{version}"
        self._to_hub = to_hub
        self._from_hub = from_hub

    def to_hub(self, old: Object) -> Object:
        """Return ``old`` as far as the hub can say it."""
        return {**old, "apiVersion": self._hub, "spec": self._to_hub(old["spec"])}

    def from_hub(self, hub: Object) -> Object:
        """Return ``hub`` as far as this version can say it."""
        return {**hub, "apiVersion": self._version, "spec": self._from_hub(hub["spec"])}


def spec_conversion(group: str, hub: str, version: str, to_hub: SpecChange, from_hub: SpecChange) -> Lossless:
    """Return the conversion of a version that differs from the hub in the spec alone."""
    return Lossless(version, SpecSpoke(group, hub, version, to_hub, from_hub))


def without(owner: Object, fields: tuple[str, ...]) -> Object:
    """Return ``owner`` but for ``fields``."""
    return {key: value for key, value in owner.items() if key not in fields}
