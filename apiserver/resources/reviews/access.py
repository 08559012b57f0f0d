"""Reviews of what somebody may do.

Source: ``k8s.io/kubernetes/pkg/apis/authorization/validation``.
"""

from collections.abc import Callable, Iterable, Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Object, Resource, Strategy, Version
from apiserver.machinery.schema import Catalogue

GROUP = "authorization.k8s.io"
_RESOURCE, _OTHER = "spec.resourceAttributes", "spec.nonResourceAttributes"


class SelfReviewStrategy(Strategy):
    """One question about one thing."""

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield an error unless the question is about a resource or about a path, and for metadata."""
        spec = new["spec"]
        of_resource, of_path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
        if of_resource is not None and of_path is not None:
            yield FieldError.invalid(_OTHER, of_path, "cannot be specified in combination with resourceAttributes")
        if of_resource is None and of_path is None:
            detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
            yield FieldError.invalid(_RESOURCE, None, detail)
        for name in ("fieldSelector", "labelSelector"):
            if (selector := (of_resource or {}).get(name)) is not None:
                yield from _selector_errors(selector, f"{_RESOURCE}.{name}")
        yield from self.metadata_errors(new["metadata"])

    def metadata_errors(self, metadata: Object) -> Iterator[FieldError]:
        """Yield an error for metadata: nothing is kept that it could be of."""
        if metadata.keys() - {"creationTimestamp", "managedFields"}:
            yield FieldError.invalid("metadata", metadata, "must be empty")


def _selector_errors(selector: Object, path: str) -> Iterator[FieldError]:
    """Yield everything wrong with a selector, of which an operator that nobody here knows is not a part."""
    raw, requirements = selector.get("rawSelector"), selector.get("requirements")
    if raw and requirements:
        yield FieldError.invalid(f"{path}.rawSelector", raw, "may not specified at the same time as requirements")
    if not raw and not requirements:
        detail = f"when {path} is specified, requirements or rawSelector is required"
        yield FieldError.required(f"{path}.requirements", detail)
    for i, each in enumerate(requirements or ()):
        values, place = each.get("values"), f"{path}.requirements[{i}]"
        if not each["key"]:
            yield FieldError.required(f"{place}.key", "must be specified")
        if each["operator"] in ("In", "NotIn") and not values:
            detail = "must be specified when `operator` is 'In' or 'NotIn'"
            yield FieldError.required(f"{place}.values", detail)
        if each["operator"] in ("Exists", "DoesNotExist") and values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield FieldError.forbidden(f"{place}.values", detail)


class ReviewStrategy(SelfReviewStrategy):
    """One question about one thing and somebody."""

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield also an error when it is about nobody."""
        yield from super().validate(new, caller)
        if not new["spec"].get("user") and not new["spec"].get("groups"):
            yield FieldError.invalid("spec.user", "", "at least one of user or group must be specified")


class LocalReviewStrategy(ReviewStrategy):
    """One question about one thing in the namespace of the question."""

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield also an error when it is about another namespace, or about a path."""
        yield from super().validate(new, caller)
        spec = new["spec"]
        named = (spec.get("resourceAttributes") or {}).get("namespace", "")
        if spec.get("resourceAttributes") is not None and named != new["metadata"]["namespace"]:
            yield FieldError.invalid(f"{_RESOURCE}.namespace", named, "must match metadata.namespace")
        if (of_path := spec.get("nonResourceAttributes")) is not None:
            yield FieldError.invalid(_OTHER, of_path, "disallowed on this kind of request")

    def metadata_errors(self, metadata: Object) -> Iterator[FieldError]:
        """Yield an error for all metadata but the namespace."""
        if metadata.keys() - {"creationTimestamp", "managedFields", "namespace"}:
            yield FieldError.invalid("metadata", metadata, "must be empty except for namespace")


def _review(kind: str, strategy: Strategy, *, namespaced: bool = False) -> Callable[[Catalogue], Resource]:
    def resource(catalogue: Catalogue) -> Resource:
        return Resource(
            group=GROUP,
            kind=kind,
            plural=f"{kind.lower()}s",
            singular=kind.lower(),
            namespaced=namespaced,
            versions=(Version(name="v1", schema=catalogue.schema(GROUP, "v1", kind)),),
            strategy=strategy,
            transient=True,
        )

    return resource


DEFINITIONS = (
    _review("LocalSubjectAccessReview", LocalReviewStrategy(), namespaced=True),
    _review("SelfSubjectAccessReview", SelfReviewStrategy()),
    _review("SelfSubjectRulesReview", Strategy()),
    _review("SubjectAccessReview", ReviewStrategy()),
)
