"""Nobody gives away by a role or a binding what they may not do themselves.

Source: ``k8s.io/kubernetes/pkg/registry/rbac/clusterrole/policybased`` and its siblings. The verbs ``escalate`` on
roles, and ``bind`` on what is bound, allow it all the same.
"""

from collections.abc import Iterable

from apiserver.auth.attributes import RequestInfo
from apiserver.auth.authorization import Authorizer
from apiserver.auth.roles import GROUP, Roles, role_key
from apiserver.auth.rules import EVERYTHING, Rule, not_covered
from apiserver.machinery import errors
from apiserver.machinery.resource import Caller, Object
from kube.users import MASTERS_GROUP


class Escalation:
    """Judges roles and bindings by what their writer may do."""

    def __init__(self, authorizer: Authorizer, roles: Roles) -> None:
        self._authorizer = authorizer
        self._roles = roles

    def check(self, caller: Caller, plural: str, obj: Object) -> None:
        """Raise 403 when ``caller`` may not write this role or binding, and 404 for a binding to no role."""
        if MASTERS_GROUP in caller.groups:
            return
        if plural.endswith("bindings"):
            self._check_binding(caller, plural, obj)
        else:
            self._check_role(caller, plural, obj)

    def _check_role(self, caller: Caller, plural: str, role: Object) -> None:
        namespace, name = role["metadata"].get("namespace", ""), role["metadata"].get("name", "")
        if self._authorizer.allows(caller, _asked("escalate", plural, namespace, name)):
            return
        granted = list(map(Rule.of, role.get("rules") or ()))
        # Whoever makes a role of others' rules gives away what is still to come.
        granted += EVERYTHING if role.get("aggregationRule") is not None else ()
        self._refuse(caller, plural, role, granted)

    def _check_binding(self, caller: Caller, plural: str, binding: Object) -> None:
        key = namespace, name = role_key(binding)
        place = binding["metadata"].get("namespace", "")
        roles = "roles" if binding["roleRef"]["kind"] == "Role" else "clusterroles"
        if self._authorizer.allows(caller, _asked("bind", roles, namespace or place, name)):
            return
        granted = self._roles.of_role(key)
        if granted is None:
            raise errors.not_found(GROUP, roles, name)
        self._refuse(caller, plural, binding, granted)

    def _refuse(self, caller: Caller, plural: str, obj: Object, granted: Iterable[Rule]) -> None:
        metadata = obj["metadata"]
        held = self._authorizer.rules(caller, metadata.get("namespace", ""))
        missing = not_covered(granted, held)
        if missing:
            shown = "\n".join(errors.told(map(_shown, missing)))
            raise errors.forbidden_object(
                GROUP,
                plural,
                metadata.get("name", ""),
                f'user "{caller.name}" (groups={_list(sorted(caller.groups))}) is attempting to grant RBAC permissions '
                f"not currently held:\n{shown}",
            )


def _asked(verb: str, resource: str, namespace: str, name: str) -> RequestInfo:
    return RequestInfo(verb=verb, path="", group=GROUP, version="v1", resource=resource, namespace=namespace, name=name)


def _shown(rule: Rule) -> str:
    """Write a rule as Kubernetes does (``CompactString``)."""
    names = {
        "APIGroups": rule.groups,
        "Resources": rule.resources,
        "NonResourceURLs": rule.paths,
        "ResourceNames": rule.names,
        "Verbs": rule.verbs,
    }
    return "{" + ", ".join(f"{name}:{_list(sorted(values))}" for name, values in names.items() if values) + "}"


def _list(values: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"
