"""LimitRange: how much each object of a namespace may ask for. Who enforces it uses ``limits``."""

from collections.abc import Iterable, Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Object, Resource, Strategy, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources.rules import CREATED_AT, amounts, write_amounts
from kube.names import key_problem
from kube.quantity import parse

BOUNDS = ("min", "defaultRequest", "default", "max")
"""In the order in which none may be above a later one."""
TYPES = ("Pod", "Container", "PersistentVolumeClaim")


class LimitRangeStrategy(Strategy):
    """Bounds that leave something between them, once for each type of object.

    Source: ``k8s.io/kubernetes/pkg/apis/core/validation.ValidateLimitRange``.
    """

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the limits."""
        seen: set[str] = set()
        for i, limit in enumerate((new.get("spec") or {}).get("limits") or ()):
            path = f"spec.limits[{i}]"
            if limit["type"] in seen:
                yield FieldError.duplicate(f"{path}.type", limit["type"])
            seen.add(limit["type"])
            yield from _limit_errors(limit, path)

    def settle(self, obj: Object) -> None:
        """Let what a container gets by default follow from what it may have at most and at least.

        Source: ``SetDefaults_LimitRangeItem`` of ``k8s.io/kubernetes/pkg/apis/core/v1``.
        """
        for field in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
            write_amounts(obj, "spec", "limits", "[]", field)
        for limit in (obj.get("spec") or {}).get("limits") or ():
            if limit["type"] == "Container":
                for field, sources in (("default", ("max",)), ("defaultRequest", ("default", "min"))):
                    found = [limit.get(each) or {} for each in (*reversed(sources), field)]
                    if merged := {name: value for each in found for name, value in each.items()}:
                        limit[field] = merged


def _limit_errors(limit: Object, path: str) -> Iterator[FieldError]:
    if limit["type"] not in TYPES and (problem := key_problem(limit["type"])):
        yield FieldError.invalid(f"{path}.type", limit["type"], problem)
    if limit["type"] == "Pod":
        for field in ("default", "defaultRequest"):
            if limit.get(field):
                yield FieldError.forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'")
    if limit["type"] == "PersistentVolumeClaim" and not ({"min", "max"} & limit.keys()):
        detail = "either minimum or maximum storage value is required, but neither was provided"
        yield FieldError.required(f"{path}.limits", detail)
    wrong = [error for field in BOUNDS for error in amounts(limit.get(field) or {}, f"{path}.{field}")]
    wrong += amounts(limit.get("maxLimitRequestRatio") or {}, f"{path}.maxLimitRequestRatio")
    yield from wrong
    if not wrong:
        yield from _order_errors(limit, path)


def _order_errors(limit: Object, path: str) -> Iterator[FieldError]:
    for i, low in enumerate(BOUNDS):
        for high in BOUNDS[i + 1 :]:
            for name, amount in (limit.get(low) or {}).items():
                bound = (limit.get(high) or {}).get(name)
                if bound is not None and parse(amount) > parse(bound):
                    detail = f"{low} value {amount} is greater than {high} value {bound}"
                    yield FieldError.invalid(f"{path}.{low}[{name}]", amount, detail)


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    return Resource(
        group="",
        kind="LimitRange",
        plural="limitranges",
        singular="limitrange",
        short_names=("limits",),
        namespaced=True,
        versions=(Version(name="v1", schema=catalogue.schema("", "v1", "LimitRange"), columns=(CREATED_AT,)),),
        strategy=LimitRangeStrategy(),
        create_on_update=True,
    )
