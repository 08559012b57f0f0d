"""ControllerRevision: a state of something as it was once."""

from collections.abc import Iterable

from apiserver.machinery.errors import FieldError, qualified_resource
from apiserver.machinery.resource import Caller, Column, Object, Resource, Strategy, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources.rules import AGE, immutable
from kube.metadata import controller_of


def _controller(revision: Object) -> str:
    owner = controller_of(revision)
    if owner is None:
        return "<none>"
    kind = qualified_resource(owner["apiVersion"].rpartition("/")[0], owner["kind"].lower())
    return f"{kind}/{owner['name']}"


COLUMNS = (
    Column(name="Controller", value=_controller),
    Column(name="Revision", json_path=".revision", type="integer"),
    AGE,
)


class ControllerRevisionStrategy(Strategy):
    """What was does not change.

    Source: ``k8s.io/kubernetes/pkg/apis/apps/validation.ValidateControllerRevision``.
    """

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield absent data and a negative revision."""
        if new.get("data") is None:
            yield FieldError.required("data", "data is mandatory")
        if new["revision"] < 0:
            yield FieldError.invalid("revision", new["revision"], "must be greater than or equal to 0")

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield also a change of the data."""
        yield from self.validate(new, caller)
        yield from immutable(new, old, ("data",))


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    return Resource(
        group="apps",
        kind="ControllerRevision",
        plural="controllerrevisions",
        singular="controllerrevision",
        namespaced=True,
        versions=(Version(name="v1", schema=catalogue.schema("apps", "v1", "ControllerRevision"), columns=COLUMNS),),
        strategy=ControllerRevisionStrategy(),
    )
