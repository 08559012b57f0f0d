"""ResourceQuota: how much a namespace may use. The registry enforces it (``apiserver.registry.quota``)."""

from collections.abc import Iterable, Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Column, Object, Resource, Strategy, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources.rules import AGE, amounts, immutable, resource_names, write_amounts
from kube.quota import CLAIMS, COUNT_PREFIX, COUNTED, HUGE_PAGES, INSTANCES, source

STANDARD = COUNTED | {
    *("cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory", "requests.storage"),
    *("requests.ephemeral-storage", "limits.cpu", "limits.memory", "limits.ephemeral-storage"),
}
SCOPES = (
    *("Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity"),
    "VolumeAttributesClass",
)
EXCLUSIVE = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})
_OF_CLAIMS = "VolumeAttributesClass"
_BY_VALUE = ("PriorityClass", _OF_CLAIMS)
"""Scopes of which there are several, by the values that a selector names."""


def _used(quota: Object, *, limits: bool) -> str:
    """Return used and hard of each resource, of limits or of all others, as ``kubectl get`` shows them."""
    status = quota.get("status", {})
    used = status.get("used", {})
    return ", ".join(
        f"{name}: {used.get(name, 0)}/{hard}"
        for name, hard in sorted(status.get("hard", {}).items())
        if name.startswith("limits.") is limits
    )


COLUMNS = (
    Column(name="Request", value=lambda quota: _used(quota, limits=False)),
    Column(name="Limit", value=lambda quota: _used(quota, limits=True)),
    AGE,
)


class ResourceQuotaStrategy(Strategy):
    """Amounts of known resources, for what the scopes say.

    Source: ``k8s.io/kubernetes/pkg/apis/core/validation.ValidateResourceQuota``.
    """

    def settle(self, obj: Object) -> None:
        """Write amounts as Kubernetes does."""
        for fields in (("spec", "hard"), ("status", "hard"), ("status", "used")):
            write_amounts(obj, *fields)

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the spec."""
        spec = new.get("spec") or {}
        hard = spec.get("hard") or {}
        plain = [name for name in hard if not name.removeprefix("requests.").startswith(HUGE_PAGES)]
        yield from resource_names(plain, "spec.hard", STANDARD)
        counted = {name: amount for name, amount in hard.items() if name in COUNTED or name.startswith(COUNT_PREFIX)}
        yield from amounts(counted, "spec.hard", whole=True)
        yield from amounts({name: amount for name, amount in hard.items() if name not in counted}, "spec.hard")
        yield from _scope_errors(spec.get("scopes") or [], "spec.scopes")
        terms = (spec.get("scopeSelector") or {}).get("matchExpressions") or []
        path = "spec.scopeSelector.matchExpressions"
        yield from _scope_errors([each["scopeName"] for each in terms], path)
        for scope in sorted({*(spec.get("scopes") or ()), *(each["scopeName"] for each in terms)}):
            for name in (each for each in hard if not _can_be_in(scope, each)):
                yield FieldError.invalid("spec.hard", name, f"unsupported scope {scope} applied to resource")
        for term in terms:
            if term["scopeName"] not in _BY_VALUE and term["operator"] != "Exists":
                detail = f"must be 'Exist' as the only operator of the scope {term['scopeName']}"
                yield FieldError.invalid(f"{path}.operator", term["operator"], detail)
            elif term["operator"] in ("In", "NotIn") and not term.get("values"):
                detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                yield FieldError.required(f"{path}.values", detail)
            elif term["operator"] in ("Exists", "DoesNotExist") and term.get("values"):
                detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                yield FieldError.invalid(f"{path}.values", term["values"], detail)

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield also a change of the scopes."""
        yield from self.validate(new, caller)
        yield from immutable(new.get("spec", {}), old.get("spec", {}), ("scopes", "scopeSelector"), "spec.")


def _can_be_in(scope: str, name: str) -> bool:
    """Return True when what a name of ``spec.hard`` is about can be in the scope at all."""
    return source(name) in ((CLAIMS,) if scope == _OF_CLAIMS else (INSTANCES, "pods"))


def _scope_errors(scopes: list[str], path: str) -> Iterator[FieldError]:
    for each in scopes:
        if each not in SCOPES:
            yield FieldError.invalid(path, each, "unsupported scope")
    for pair in EXCLUSIVE:
        if pair <= set(scopes):
            yield FieldError.invalid(path, scopes, "conflicting scopes")


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    return Resource(
        group="",
        kind="ResourceQuota",
        plural="resourcequotas",
        singular="resourcequota",
        short_names=("quota",),
        namespaced=True,
        returns_deleted=True,
        versions=(Version(name="v1", schema=catalogue.schema("", "v1", "ResourceQuota"), columns=COLUMNS),),
        strategy=ResourceQuotaStrategy(),
        has_status=True,
    )
