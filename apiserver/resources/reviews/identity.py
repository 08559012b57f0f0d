"""Reviews of who somebody is."""

from collections.abc import Callable

from apiserver.machinery.resource import Resource, Version
from apiserver.machinery.schema import Catalogue

GROUP = "authentication.k8s.io"


def _review(kind: str) -> Callable[[Catalogue], Resource]:
    def resource(catalogue: Catalogue) -> Resource:
        return Resource(
            group=GROUP,
            kind=kind,
            plural=f"{kind.lower()}s",
            singular=kind.lower(),
            namespaced=False,
            versions=(Version(name="v1", schema=catalogue.schema(GROUP, "v1", kind)),),
            transient=True,
        )

    return resource


DEFINITIONS = (_review("SelfSubjectReview"), _review("TokenReview"))
