"""What the kinds of the group kubevirt.io have in common: the group, and its versions."""

from collections.abc import Mapping

from apiserver.machinery.resource import Column, Conversion, Version
from apiserver.machinery.schema import Catalogue

GROUP = "kubevirt.io"
_HUB = "v1"


def versions(
    catalogue: Catalogue, kind: str, columns: tuple[Column, ...], conversions: Mapping[str, Conversion]
) -> tuple[Version, ...]:
    """Return the served versions of a kind, the hub first.

    ``conversions`` are those of v1beta1 and v1alpha1; v1alpha3 has the shape of v1.
    """
    return tuple(
        Version(
            name=name,
            schema=catalogue.schema(GROUP, name, kind),
            conversion=conversions.get(name),
            columns=columns,
            deprecation=None if name == _HUB else f"{GROUP}/{name} {kind} is deprecated; use {GROUP}/{_HUB} {kind}",
        )
        for name in (_HUB, "v1beta1", "v1alpha3", "v1alpha1")
    )
