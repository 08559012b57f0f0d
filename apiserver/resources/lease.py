"""Lease: held by one at a time."""

from apiserver.machinery.resource import Column, Resource, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources.ownnode import OwnNodeStrategy

COLUMNS = (
    Column(name="Holder", json_path=".spec.holderIdentity"),
    Column(name="Age", json_path=".metadata.creationTimestamp", type="date"),
)


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    group = "coordination.k8s.io"
    return Resource(
        group=group,
        kind="Lease",
        plural="leases",
        singular="lease",
        namespaced=True,
        versions=(Version(name="v1", schema=catalogue.schema(group, "v1", "Lease"), columns=COLUMNS),),
        strategy=OwnNodeStrategy(),
        unconditional_update=False,
        create_on_update=True,
    )
