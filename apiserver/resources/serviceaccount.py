"""ServiceAccount: an identity for programs. Every namespace has one called ``default``."""

from apiserver.machinery.resource import Caller, Column, Object, Resource, Strategy, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources.rules import AGE

COLUMNS = (Column(name="Secrets", type="string", value=lambda each: str(len(each.get("secrets") or ()))), AGE)


class ServiceAccountStrategy(Strategy):
    """Of the Secrets that it names only the names count, as they are in its namespace.

    Source: ``k8s.io/kubernetes/pkg/registry/core/serviceaccount``.
    """

    def prepare_for_create(self, new: Object, caller: Caller) -> None:
        """Keep the names of its Secrets."""
        if "secrets" in new:
            new["secrets"] = [{"name": each.get("name", "")} for each in new["secrets"]]

    def prepare_for_update(self, new: Object, old: Object, caller: Caller) -> None:
        """Keep the names of its Secrets."""
        self.prepare_for_create(new, caller)


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    return Resource(
        group="",
        kind="ServiceAccount",
        plural="serviceaccounts",
        singular="serviceaccount",
        short_names=("sa",),
        namespaced=True,
        returns_deleted=True,
        versions=(Version(name="v1", schema=catalogue.schema("", "v1", "ServiceAccount"), columns=COLUMNS),),
        strategy=ServiceAccountStrategy(),
    )
