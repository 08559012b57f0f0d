"""Scale: the subresource by which anything with replicas is scaled, whatever its kind. It is no resource of its own."""

from collections.abc import Iterable

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Column, Object, Resource, Scale, Strategy, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources.rules import AGE

GROUP = "autoscaling"
COLUMNS = (
    Column(name="Desired", json_path=".spec.replicas", type="integer"),
    Column(name="Available", json_path=".status.replicas", type="integer"),
    AGE,
)


class ScaleStrategy(Strategy):
    """Source: ``k8s.io/kubernetes/pkg/apis/autoscaling/validation.ValidateScale``."""

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield a number of replicas below zero."""
        replicas = new.get("spec", {}).get("replicas", 0)
        if replicas < 0:
            yield FieldError.invalid("spec.replicas", replicas, "must be greater than or equal to 0")


def scale(catalogue: Catalogue, *, namespaced: bool = True) -> Scale:
    """Return the subresource of a kind that keeps its replicas where most do: see :class:`Scale`."""
    kind = Resource(
        group=GROUP,
        kind="Scale",
        plural="scales",
        singular="scale",
        namespaced=namespaced,
        versions=(Version(name="v1", schema=catalogue.schema(GROUP, "v1", "Scale"), columns=COLUMNS),),
        strategy=ScaleStrategy(),
    )
    return Scale(kind=kind)
