"""Role and ClusterRole: what may be done."""

from collections.abc import Iterable, Iterator
from functools import partial

from apiserver.machinery.errors import FieldError, StatusError
from apiserver.machinery.resource import Caller, Object, Resource, Version
from apiserver.machinery.schema import Catalogue
from apiserver.machinery.selectors import label_selector
from apiserver.resources.rbac import GROUP, Check, GrantingStrategy
from apiserver.resources.rules import CREATED_AT
from kube.names import path_segment_problem


class RoleStrategy(GrantingStrategy):
    """Every rule is about resources or, in a ClusterRole, about paths.

    Source: ``k8s.io/kubernetes/pkg/apis/rbac/validation.ValidatePolicyRule``.
    """

    def __init__(self, plural: str, check: Check, *, namespaced: bool) -> None:
        super().__init__(plural, check)
        self._namespaced = namespaced

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the rules."""
        for i, rule in enumerate(new.get("rules") or ()):
            yield from _rule_errors(rule, f"rules[{i}]", namespaced=self._namespaced)
        if (aggregation := new.get("aggregationRule")) is not None and not aggregation.get("clusterRoleSelectors"):
            path = "aggregationRule.clusterRoleSelectors"
            yield FieldError.required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")
        yield from _selector_errors(new.get("aggregationRule") or {})


def _selector_errors(aggregation: Object) -> Iterator[FieldError]:
    for i, selector in enumerate(aggregation.get("clusterRoleSelectors") or ()):
        try:
            label_selector(selector)
        except StatusError as wrong:
            yield FieldError.invalid(f"aggregationRule.clusterRoleSelectors[{i}]", selector, wrong.message)


def _rule_errors(rule: Object, path: str, *, namespaced: bool) -> Iterator[FieldError]:
    if not rule["verbs"]:
        yield FieldError.required(f"{path}.verbs", "verbs must contain at least one value")
    if paths := rule.get("nonResourceURLs"):
        if namespaced:
            detail = "namespaced rules cannot apply to non-resource URLs"
            yield FieldError.invalid(f"{path}.nonResourceURLs", paths, detail)
        if any(rule.get(field) for field in ("apiGroups", "resources", "resourceNames")):
            detail = "rules cannot apply to both regular resources and non-resource URLs"
            yield FieldError.invalid(f"{path}.nonResourceURLs", paths, detail)
        return
    if not rule.get("apiGroups"):
        yield FieldError.required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield FieldError.required(f"{path}.resources", "resource rules must supply at least one resource")


def _resource(catalogue: Catalogue, check: Check, *, kind: str, namespaced: bool) -> Resource:
    return Resource(
        group=GROUP,
        kind=kind,
        plural=f"{kind.lower()}s",
        singular=kind.lower(),
        namespaced=namespaced,
        names=path_segment_problem,
        versions=(Version(name="v1", schema=catalogue.schema(GROUP, "v1", kind), columns=(CREATED_AT,)),),
        strategy=RoleStrategy(f"{kind.lower()}s", check, namespaced=namespaced),
        create_on_update=True,
    )


role = partial(_resource, kind="Role", namespaced=True)
cluster_role = partial(_resource, kind="ClusterRole", namespaced=False)
