"""RoleBinding and ClusterRoleBinding: who has a role."""

from collections.abc import Iterable, Iterator
from functools import partial

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Column, Object, Resource, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources.rbac import GROUP, Check, GrantingStrategy
from apiserver.resources.rules import AGE
from kube.names import path_segment_problem, subdomain_problem

ACCOUNT = "ServiceAccount"
SUBJECTS = {ACCOUNT: "", "User": GROUP, "Group": GROUP}
"""The API group of each kind of subject."""


def _role(binding: Object) -> str:
    role = binding.get("roleRef", {})
    return f"{role.get('kind', '')}/{role.get('name', '')}"


def _subjects(kind: str, binding: Object) -> str:
    found = (each for each in binding.get("subjects") or () if each["kind"] == kind)
    return ", ".join(
        f"{each.get('namespace', '')}/{each['name']}" if kind == ACCOUNT else each["name"] for each in found
    )


COLUMNS = (
    Column(name="Role", value=_role),
    AGE,
    Column(name="Users", value=partial(_subjects, "User"), priority=1),
    Column(name="Groups", value=partial(_subjects, "Group"), priority=1),
    Column(name="ServiceAccounts", value=partial(_subjects, ACCOUNT), priority=1),
)


class BindingStrategy(GrantingStrategy):
    """A binding is to one role for good.

    Source: ``k8s.io/kubernetes/pkg/apis/rbac/validation.ValidateRoleBinding`` and ``…/rbac/v1`` for the defaults.
    """

    def __init__(self, plural: str, check: Check, roles: tuple[str, ...], *, namespaced: bool) -> None:
        """``roles`` are the kinds of roles that it can be to."""
        super().__init__(plural, check)
        self._roles = roles
        self._namespaced = namespaced

    def prepare_for_create(self, new: Object, caller: Caller) -> None:
        """Fill in the API groups that are left out, and refuse what gives away too much."""
        _fill_groups(new)
        super().prepare_for_create(new, caller)

    def prepare_for_update(self, new: Object, old: Object, caller: Caller) -> None:
        """Fill in the API groups that are left out, and refuse what gives away too much."""
        _fill_groups(new)
        super().prepare_for_update(new, old, caller)

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the role and the subjects."""
        role = new["roleRef"]
        if role["apiGroup"] != GROUP:
            yield FieldError.not_supported("roleRef.apiGroup", role["apiGroup"], [GROUP])
        if role["kind"] not in self._roles:
            yield FieldError.not_supported("roleRef.kind", role["kind"], self._roles)
        if not role["name"]:
            yield FieldError.required("roleRef.name")
        elif problem := path_segment_problem(role["name"]):
            yield FieldError.invalid("roleRef.name", role["name"], problem)
        for i, subject in enumerate(new.get("subjects") or ()):
            yield from _subject_errors(subject, f"subjects[{i}]", namespaced=self._namespaced)

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield also another role."""
        yield from self.validate(new, caller)
        if new["roleRef"] != old["roleRef"]:
            yield FieldError.invalid("roleRef", new["roleRef"], "cannot change roleRef")


def _fill_groups(new: Object) -> None:
    if not new["roleRef"].get("apiGroup"):
        new["roleRef"]["apiGroup"] = GROUP
    for subject in new.get("subjects") or ():
        if not subject.get("apiGroup") and (group := SUBJECTS.get(subject["kind"])):
            subject["apiGroup"] = group


def _subject_errors(subject: Object, path: str, *, namespaced: bool) -> Iterator[FieldError]:
    kind, name = subject["kind"], subject["name"]
    if not name:
        yield FieldError.required(f"{path}.name")
    if kind not in SUBJECTS:
        yield FieldError.not_supported(f"{path}.kind", kind, sorted(SUBJECTS))
        return
    if subject.get("apiGroup", "") != SUBJECTS[kind]:
        yield FieldError.not_supported(f"{path}.apiGroup", subject.get("apiGroup", ""), [SUBJECTS[kind]])
    if kind != ACCOUNT:
        return
    if name and (problem := subdomain_problem(name)):
        yield FieldError.invalid(f"{path}.name", name, problem)
    if not namespaced and not subject.get("namespace"):
        yield FieldError.required(f"{path}.namespace")


def _resource(catalogue: Catalogue, check: Check, *, kind: str, roles: tuple[str, ...], namespaced: bool) -> Resource:
    return Resource(
        group=GROUP,
        kind=kind,
        plural=f"{kind.lower()}s",
        singular=kind.lower(),
        namespaced=namespaced,
        names=path_segment_problem,
        versions=(Version(name="v1", schema=catalogue.schema(GROUP, "v1", kind), columns=COLUMNS),),
        strategy=BindingStrategy(f"{kind.lower()}s", check, roles, namespaced=namespaced),
        create_on_update=True,
    )


role_binding = partial(_resource, kind="RoleBinding", roles=("Role", "ClusterRole"), namespaced=True)
cluster_role_binding = partial(_resource, kind="ClusterRoleBinding", roles=("ClusterRole",), namespaced=False)
