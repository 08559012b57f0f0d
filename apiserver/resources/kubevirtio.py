"""What the kinds of the group kubevirt.io have in common: the group, and its versions."""

from collections.abc import Mapping

from apiserver.machinery.resource import Column, Conversion, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources import versions as any_group

GROUP = "kubevirt.io"
_OLDER = ("v1beta1", "v1alpha3", "v1alpha1")


def versions(
    catalogue: Catalogue, kind: str, columns: tuple[Column, ...], conversions: Mapping[str, Conversion] | None = None
) -> tuple[Version, ...]:
    """Return the served versions of a kind, the hub first.

    ``conversions`` are those of v1beta1 and v1alpha1, where these differ from v1; v1alpha3 never does.
    """
    return any_group.versions(catalogue, GROUP, kind, ("v1", *_OLDER), columns, conversions, deprecated=_OLDER)
