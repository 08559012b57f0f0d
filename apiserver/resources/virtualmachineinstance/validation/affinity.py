"""Which nodes and neighbours a guest prefers, needs and shuns: what Kubernetes asks of a Pod's.

Source: ``pkg/apis/core/validation`` of Kubernetes.
"""

from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.objectmeta import validate_labels
from apiserver.machinery.resource import Object
from kube.names import key_problem, label_problem, subdomain_problem, value_problem

SELECTOR_OPERATORS = ("DoesNotExist", "Exists", "In", "NotIn")
NODE_OPERATORS = (*SELECTOR_OPERATORS, "Gt", "Lt")
UNSATISFIABLE = ("DoNotSchedule", "ScheduleAnyway")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def node_affinity(spec: Object, path: str) -> Iterator[FieldError]:
    """Terms about nodes can be told true or false."""
    affinity, field = spec.get("affinity", {}).get("nodeAffinity", {}), f"{path}.affinity.nodeAffinity"
    if _REQUIRED in affinity:
        terms, at = affinity[_REQUIRED]["nodeSelectorTerms"], f"{field}.{_REQUIRED}.nodeSelectorTerms"
        if not terms:
            yield FieldError.required(at, "give at least one term")
        for i, term in enumerate(terms):
            yield from _node_term(term, f"{at}[{i}]")
    for i, each in enumerate(affinity.get(_PREFERRED, ())):
        at = f"{field}.{_PREFERRED}[{i}]"
        yield from _weight(each, at)
        yield from _node_term(each["preference"], f"{at}.preference")


def pod_affinity(spec: Object, path: str) -> Iterator[FieldError]:
    """Terms about neighbours can be told true or false, and say how near they are meant."""
    for kind in ("podAffinity", "podAntiAffinity"):
        affinity, field = spec.get("affinity", {}).get(kind, {}), f"{path}.affinity.{kind}"
        for i, term in enumerate(affinity.get(_REQUIRED, ())):
            yield from _pod_term(term, f"{field}.{_REQUIRED}[{i}]")
        for i, each in enumerate(affinity.get(_PREFERRED, ())):
            at = f"{field}.{_PREFERRED}[{i}]"
            yield from _weight(each, at)
            yield from _pod_term(each["podAffinityTerm"], f"{at}.podAffinityTerm")


def spread(spec: Object, path: str) -> Iterator[FieldError]:
    """How guests spread over zones is said once for each kind of zone and each consequence."""
    seen: set[tuple[str, str]] = set()
    for i, each in enumerate(spec.get("topologySpreadConstraints", ())):
        field = f"{path}.topologySpreadConstraints[{i}]"
        if each["maxSkew"] < 1:
            yield FieldError.invalid(f"{field}.maxSkew", each["maxSkew"], "must be at least 1")
        yield from _topology_key(each, field)
        action = each["whenUnsatisfiable"]
        if action not in UNSATISFIABLE:
            yield FieldError.not_supported(f"{field}.whenUnsatisfiable", action, UNSATISFIABLE)
        yield from _selector(each.get("labelSelector", {}), f"{field}.labelSelector")
        if (each["topologyKey"], action) in seen:
            yield FieldError.duplicate(field, f"{each['topologyKey']}, {action}")
        seen.add((each["topologyKey"], action))


def _node_term(term: Object, path: str) -> Iterator[FieldError]:
    for i, each in enumerate(term.get("matchExpressions", ())):
        yield from _requirement(each, f"{path}.matchExpressions[{i}]", NODE_OPERATORS)
    for i, each in enumerate(term.get("matchFields", ())):
        field, values = f"{path}.matchFields[{i}]", each.get("values", ())
        if each["operator"] not in ("In", "NotIn"):
            yield FieldError.not_supported(f"{field}.operator", each["operator"], ("In", "NotIn"))
        elif len(values) != 1:
            yield FieldError.required(f"{field}.values", "give exactly one value")
        if each["key"] != "metadata.name":
            yield FieldError.not_supported(f"{field}.key", each["key"], ("metadata.name",))
        for j, name in enumerate(values):
            if problem := subdomain_problem(name):
                yield FieldError.invalid(f"{field}.values[{j}]", name, problem)


def _pod_term(term: Object, path: str) -> Iterator[FieldError]:
    for name in ("labelSelector", "namespaceSelector"):
        yield from _selector(term.get(name, {}), f"{path}.{name}")
    for i, namespace in enumerate(term.get("namespaces", ())):
        if problem := label_problem(namespace):
            yield FieldError.invalid(f"{path}.namespaces[{i}]", namespace, problem)
    yield from _topology_key(term, path)


def _topology_key(owner: Object, path: str) -> Iterator[FieldError]:
    key, field = owner["topologyKey"], f"{path}.topologyKey"
    if not key:
        yield FieldError.required(field, "name a label of nodes, such as kubernetes.io/hostname")
    elif problem := key_problem(key):
        yield FieldError.invalid(field, key, problem)


def _selector(selector: Object, path: str) -> Iterator[FieldError]:
    yield from validate_labels(selector.get("matchLabels", {}), f"{path}.matchLabels")
    for i, each in enumerate(selector.get("matchExpressions", ())):
        field = f"{path}.matchExpressions[{i}]"
        yield from _requirement(each, field, SELECTOR_OPERATORS)
        for j, value in enumerate(each.get("values", ())):
            if problem := value_problem(value):
                yield FieldError.invalid(f"{field}.values[{j}]", value, problem)


def _requirement(requirement: Object, path: str, operators: tuple[str, ...]) -> Iterator[FieldError]:
    operator, values = requirement["operator"], requirement.get("values", ())
    match operator:
        case _ if operator not in operators:
            yield FieldError.not_supported(f"{path}.operator", operator, operators)
        case "In" | "NotIn" if not values:
            yield FieldError.required(f"{path}.values", f"give at least one value for {operator} to compare with")
        case "Exists" | "DoesNotExist" if values:
            yield FieldError.forbidden(f"{path}.values", f"{operator} compares with nothing; remove the values")
        case "Gt" | "Lt" if len(values) != 1:
            yield FieldError.required(f"{path}.values", f"give exactly one number for {operator} to compare with")
        case _:
            pass
    if problem := key_problem(requirement["key"]):
        yield FieldError.invalid(f"{path}.key", requirement["key"], problem)


def _weight(owner: Object, path: str) -> Iterator[FieldError]:
    if not 1 <= owner["weight"] <= 100:
        yield FieldError.invalid(f"{path}.weight", owner["weight"], "must be between 1 and 100")


RULES = (node_affinity, pod_affinity, spread)
