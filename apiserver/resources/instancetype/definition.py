"""What instancetypes and preferences are alike in: each is there for a namespace, and for all."""

from collections.abc import Mapping

from apiserver.machinery.resource import Conversion, Resource, Strategy
from apiserver.machinery.schema import Catalogue
from apiserver.resources.instancetype import GROUP, VERSIONS
from apiserver.resources.versions import versions


def define(
    catalogue: Catalogue,
    kind: str,
    short_names: tuple[str, ...],
    conversions: Mapping[str, Conversion],
    strategy: Strategy,
) -> Resource:
    """Define a kind; one with Cluster in its name is for all namespaces."""
    namespaced = "Cluster" not in kind
    return Resource(
        group=GROUP,
        kind=kind,
        plural=f"{kind.lower()}s",
        singular=kind.lower(),
        short_names=short_names,
        categories=("all",) if namespaced else (),
        namespaced=namespaced,
        versions=versions(catalogue, GROUP, kind, VERSIONS, conversions=conversions, deprecated=VERSIONS[1:]),
        strategy=strategy,
        has_generation=True,
        custom=True,
    )
