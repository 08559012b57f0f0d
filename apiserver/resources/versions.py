"""The served versions of a kind of any group."""

from collections.abc import Mapping

from apiserver.machinery.resource import Column, Conversion, Version
from apiserver.machinery.schema import Catalogue


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
    converted = conversions or {}
    return tuple(
        Version(
            name=name,
            schema=catalogue.schema(group, name, kind),
            conversion=converted.get(name),
            columns=columns,
            deprecation=f"{group}/{name} {kind} is deprecated; use {group}/{names[0]} {kind}"
            if name in deprecated
            else None,
        )
        for name in names
    )
