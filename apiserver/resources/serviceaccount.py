"""ServiceAccount: an identity for programs. Every namespace has one called ``default``."""

from apiserver.machinery.resource import Column, Resource, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources.rules import AGE

COLUMNS = (Column(name="Secrets", type="string", value=lambda each: str(len(each.get("secrets") or ()))), AGE)


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    return Resource(
        group="",
        kind="ServiceAccount",
        plural="serviceaccounts",
        singular="serviceaccount",
        short_names=("sa",),
        namespaced=True,
        versions=(Version(name="v1", schema=catalogue.schema("", "v1", "ServiceAccount"), columns=COLUMNS),),
    )
