"""One rule of a role: what it allows, and which other rules it covers.

Source: ``k8s.io/kubernetes/pkg/apis/rbac/v1/evaluation_helpers.go`` and
``k8s.io/component-helpers/auth/rbac/validation/policy_comparator.go``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from apiserver.auth.attributes import RequestInfo
from apiserver.machinery.resource import Object

ALL = "*"
_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Some verbs on some resources, or on some paths that are no resource's; ``*`` stands for everything."""

    verbs: frozenset[str]
    groups: frozenset[str] = _NONE
    resources: frozenset[str] = _NONE
    """Plurals, ``plural/subresource``, or ``*/subresource``."""
    names: frozenset[str] = _NONE
    """Names of objects; empty for all."""
    paths: frozenset[str] = _NONE
    """A ``*`` at the end stands for any rest."""

    @classmethod
    def of(cls, policy: Object) -> "Rule":
        """Return a ``PolicyRule`` as a rule."""
        return cls(
            verbs=frozenset(policy.get("verbs") or ()),
            groups=frozenset(policy.get("apiGroups") or ()),
            resources=frozenset(policy.get("resources") or ()),
            names=frozenset(policy.get("resourceNames") or ()),
            paths=frozenset(policy.get("nonResourceURLs") or ()),
        )

    def policy(self) -> Object:
        """Return the rule as a ``PolicyRule``."""
        fields = {
            "verbs": self.verbs,
            "apiGroups": self.groups,
            "resources": self.resources,
            "resourceNames": self.names,
            "nonResourceURLs": self.paths,
        }
        return {name: sorted(values) for name, values in fields.items() if values}

    def allows(self, asked: RequestInfo) -> bool:
        """Return True when this rule covers the request."""
        if asked.verb not in self.verbs and ALL not in self.verbs:
            return False
        if not asked.is_resource:
            return _path_covered(asked.path, self.paths)
        return (
            (asked.group in self.groups or ALL in self.groups)
            and _resource_covered(asked.whole_resource, self.resources)
            and (not self.names or asked.object_name in self.names)
        )

    def covers(self, part: "Rule") -> bool:
        """Return True when all that ``part``, a rule of one verb on one thing, allows is allowed by this rule."""
        if not (part.verbs <= self.verbs or ALL in self.verbs):
            return False
        if part.paths:
            return all(_path_covered(path, self.paths) for path in part.paths)
        return (
            (part.groups <= self.groups or ALL in self.groups)
            and all(_resource_covered(each, self.resources) for each in part.resources)
            and (not self.names or (bool(part.names) and part.names <= self.names))
        )

    def parts(self) -> Iterator["Rule"]:
        """Yield rules of one verb on one thing each that together allow the same."""
        for verb, path in product(sorted(self.verbs), sorted(self.paths)):
            yield Rule(verbs=frozenset((verb,)), paths=frozenset((path,)))
        things = product(*map(sorted, (self.verbs, self.groups, self.resources, self.names or ("",))))
        for verb, group, resource, name in things:
            yield Rule(
                verbs=frozenset((verb,)),
                groups=frozenset((group,)),
                resources=frozenset((resource,)),
                names=frozenset((name,)) if name else _NONE,
            )


def rule(group: str, resources: str, verbs: str, *names: str) -> Rule:
    """Return the rule of some ``verbs`` on some ``resources`` of a group, both parted by spaces.

    ``names`` limit it to the objects that are called so.
    """
    return Rule(
        groups=frozenset((group,)),
        resources=frozenset(resources.split()),
        verbs=frozenset(verbs.split()),
        names=frozenset(names),
    )


EVERYTHING = (
    Rule(verbs=frozenset(ALL), groups=frozenset(ALL), resources=frozenset(ALL)),
    Rule(verbs=frozenset(ALL), paths=frozenset(ALL)),
)
"""What ``system:masters`` may."""


def not_covered(wanted: Iterable[Rule], held: Sequence[Rule]) -> list[Rule]:
    """Return the parts of the ``wanted`` rules that no single one of the ``held`` rules covers."""
    return [part for rule in wanted for part in rule.parts() if not any(each.covers(part) for each in held)]


def _resource_covered(resource: str, resources: frozenset[str]) -> bool:
    if resource in resources or ALL in resources:
        return True
    _, slash, subresource = resource.partition("/")
    return bool(slash) and f"{ALL}/{subresource}" in resources


def _path_covered(path: str, paths: frozenset[str]) -> bool:
    return path in paths or any(each.endswith(ALL) and path.startswith(each.rstrip(ALL)) for each in paths)
