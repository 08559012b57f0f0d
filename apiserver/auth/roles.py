"""Who has which rules: an index over the roles and bindings in memory, made anew after one of them has changed.

Source: ``k8s.io/kubernetes/pkg/registry/rbac/validation/rule.go``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import structlog

from apiserver.auth.attributes import RequestInfo
from apiserver.auth.identities import account_name
from apiserver.auth.rules import Rule
from apiserver.machinery.errors import StatusError
from apiserver.machinery.resource import Caller, Object, Remembered
from apiserver.machinery.selectors import LabelSelector, label_selector

log = structlog.get_logger(__name__)

GROUP = "rbac.authorization.k8s.io"
ROLES, CLUSTER_ROLES = f"roles.{GROUP}", f"clusterroles.{GROUP}"
BINDINGS, CLUSTER_BINDINGS = f"rolebindings.{GROUP}", f"clusterrolebindings.{GROUP}"
REMEMBERED = 1024
"""For so many callers it is remembered which rules are theirs, and for each, as many things that these allow."""
Subject = tuple[str, str]
"""``User`` or ``Group``, and the name."""
RoleKey = tuple[str, str]
"""The namespace, empty for a ClusterRole, and the name."""


@dataclass(frozen=True, slots=True)
class _Index:
    """Roles and bindings at one moment."""

    rules: Mapping[RoleKey, tuple[Rule, ...]]
    bound: Mapping[tuple[str, Subject], tuple[RoleKey, ...]]
    """The roles of a subject in a namespace; everywhere where that is empty."""
    held: dict[tuple[str, str, frozenset[str]], "_Held"] = field(default_factory=dict)
    """The rules of callers who were asked about, by a namespace, their name and their groups."""


@dataclass(frozen=True, slots=True)
class _Held:
    """The rules that one caller has in one place."""

    rules: tuple[Rule, ...]
    whole: set[tuple[str, str, str]] = field(default_factory=set)
    """Verbs on resources of groups that were asked about, and are allowed whatever the name of the object."""

    def allows(self, asked: RequestInfo) -> bool:
        """Return True when a rule covers the request."""
        what = (asked.verb, asked.group, asked.whole_resource)
        if what in self.whole:
            return True
        rule = next((each for each in self.rules if each.allows(asked)), None)
        if rule is not None and asked.is_resource and not rule.names and len(self.whole) < REMEMBERED:
            self.whole.add(what)
        return rule is not None


class Roles:
    """The rules that roles and bindings give to callers."""

    def __init__(self, stored: Remembered) -> None:
        self._stored = stored
        self._seen: tuple[int, ...] = ()
        self._index = _Index({}, {})

    def allows(self, caller: Caller, asked: RequestInfo) -> bool:
        """Return True when a rule of the caller's covers the request."""
        return self._held(caller, asked.namespace).allows(asked)

    def of(self, caller: Caller, namespace: str) -> tuple[Rule, ...]:
        """Return the rules that hold for ``caller`` in a namespace, or where that is empty, at the cluster scope."""
        return self._held(caller, namespace).rules

    def _held(self, caller: Caller, namespace: str) -> _Held:
        index = self._current()
        question = (namespace, caller.name, caller.groups)
        if (held := index.held.get(question)) is None:
            if len(index.held) >= REMEMBERED:
                index.held.clear()
            held = index.held[question] = _Held(tuple(_rules_of(index, caller, namespace)))
        return held

    def of_role(self, key: RoleKey) -> tuple[Rule, ...] | None:
        """Return the rules of one role, or None where there is no such role."""
        return self._current().rules.get(key)

    def _current(self) -> _Index:
        seen = tuple(map(self._stored.revision, (ROLES, CLUSTER_ROLES, BINDINGS, CLUSTER_BINDINGS)))
        if seen != self._seen:
            self._index, self._seen = _Index(dict(self._all_rules()), self._all_bound()), seen
        return self._index

    def _all_rules(self) -> Iterator[tuple[RoleKey, tuple[Rule, ...]]]:
        for role in self._stored.all(ROLES):
            yield (role["metadata"]["namespace"], role["metadata"]["name"]), _rules(role)
        cluster_roles = list(self._stored.all(CLUSTER_ROLES))
        for role in cluster_roles:
            yield ("", role["metadata"]["name"]), tuple(dict.fromkeys(_with_parts(role, cluster_roles)))

    def _all_bound(self) -> dict[tuple[str, Subject], tuple[RoleKey, ...]]:
        found: dict[tuple[str, Subject], dict[RoleKey, None]] = {}
        for kind in (CLUSTER_BINDINGS, BINDINGS):
            for binding in self._stored.all(kind):
                place = binding["metadata"].get("namespace", "")
                for subject in binding.get("subjects") or ():
                    found.setdefault((place, _subject(subject, place)), {})[role_key(binding)] = None
        return {place: tuple(keys) for place, keys in found.items()}


def _rules_of(index: _Index, caller: Caller, namespace: str) -> Iterator[Rule]:
    subjects = [("User", caller.name), *(("Group", group) for group in caller.groups)]
    for place in ("", namespace) if namespace else ("",):
        for subject in subjects:
            for key in index.bound.get((place, subject), ()):
                yield from index.rules.get(key, ())


def role_key(binding: Object) -> RoleKey:
    """Return which role a binding is to."""
    to = binding["roleRef"]
    return (binding["metadata"].get("namespace", "") if to["kind"] == "Role" else "", to["name"])


def _subject(subject: Object, namespace: str) -> Subject:
    if subject["kind"] == "ServiceAccount":
        return "User", account_name(subject.get("namespace") or namespace, subject["name"])
    return subject["kind"], subject["name"]


def _rules(role: Object) -> tuple[Rule, ...]:
    return tuple(map(Rule.of, role.get("rules") or ()))


def _with_parts(role: Object, cluster_roles: Iterable[Object]) -> Iterator[Rule]:
    """Yield the rules of a ClusterRole: its own, or those of all roles that it aggregates, and that those do."""
    seen: set[str] = set()
    waiting = [role]
    while waiting:
        each = waiting.pop()
        if each["metadata"]["name"] in seen:
            continue
        seen.add(each["metadata"]["name"])
        selectors = _selectors(each)
        if not selectors:
            yield from _rules(each)
            continue
        waiting += [other for other in cluster_roles if any(selector.matches(other) for selector in selectors)]


def _selectors(role: Object) -> list[LabelSelector]:
    found: list[LabelSelector] = []
    for chosen in (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
        try:
            found.append(label_selector(chosen))
        except StatusError as wrong:
            log.warning("a ClusterRole aggregates by no selector", role=role["metadata"]["name"], why=wrong.message)
    return found
