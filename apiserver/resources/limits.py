"""What the LimitRanges of a namespace give to an object and allow it to ask for.

A VirtualMachineInstance is one Container and one Pod. What it does not say counts as its hardware has it
(:mod:`kube.demand`), so that a guest always has a request and a limit.
Source of rules and words: ``k8s.io/kubernetes/plugin/pkg/admission/limitranger``.
"""

import operator
from collections.abc import Iterator

from apiserver.machinery.resource import Object, Stored
from apiserver.resources.cluster import Cluster
from kube.demand import Amounts, guest_memory, limits, requests
from kube.quantity import amount
from kube.quota import written

LIMIT_RANGES = "limitranges"
CONTAINER, POD, CLAIM = "Container", "Pod", "PersistentVolumeClaim"
_MEASURED = ("cpu", "memory")


def fill_instance_resources(cluster: Cluster, instance: Object) -> None:
    """Give an instance the requests and limits that its namespace has for those who say nothing.

    The guest needs what its hardware is: its memory and dedicated CPUs are requests, and a limit below is none.
    """
    domain = instance["spec"]["domain"]
    dedicated = domain.get("cpu", {}).get("dedicatedCpuPlacement")
    for item in _items(cluster.stored, instance, CONTAINER):
        for name in _MEASURED if not dedicated else ("memory",):
            said = domain.get("resources", {})
            requested = name in said.get("requests", {}) or (name == "memory" and guest_memory(instance))
            if name in item.get("defaultRequest", {}) and not requested:
                domain["resources"] = _adding(said, "requests", name, item["defaultRequest"][name])
            said, limit = domain.get("resources", {}), item.get("default", {}).get(name)
            if (
                limit
                and name not in said.get("limits", {})
                and amount(limit) >= requests(instance, cluster.configuration)[name]
            ):
                domain["resources"] = _adding(said, "limits", name, limit)


def instance_refusal(cluster: Cluster, instance: Object) -> str | None:
    """Return what of an instance its namespace does not allow, or None."""
    requested, limited = requests(instance, cluster.configuration), limits(instance)
    found = [
        problem
        for type_ in (CONTAINER, POD)
        for item in _items(cluster.stored, instance, type_)
        for problem in _problems(item, requested, limited)
    ]
    return _told(found)


def claim_refusal(stored: Stored, claim: Object) -> str | None:
    """Return why the namespace does not allow a claim of this size, or None."""
    asked = {"storage": amount(claim["spec"]["resources"]["requests"]["storage"])}
    return _told([each for item in _items(stored, claim, CLAIM) for each in _problems(item, asked, {})])


def _items(stored: Stored, obj: Object, type_: str) -> Iterator[Object]:
    for limit_range in stored.all(LIMIT_RANGES, obj["metadata"].get("namespace", "")):
        yield from (each for each in limit_range.get("spec", {}).get("limits", ()) if each["type"] == type_)


def _adding(resources: Object, kind: str, name: str, quantity: str) -> Object:
    return {**resources, kind: {**resources.get(kind, {}), name: quantity}}


def _problems(item: Object, requested: Amounts, limited: Amounts) -> Iterator[str]:
    """Yield what breaks the bounds of one item of a LimitRange; what nobody asks for is within them."""
    yield from _bound_problems(item, "min", requested, limited)
    yield from _bound_problems(item, "max", requested, limited)
    for name, bound in item.get("maxLimitRequestRatio", {}).items():
        if name not in limited:
            continue
        rule = f"{name} max limit to request ratio per {item['type']} is {bound}"
        if not requested[name]:
            yield f"{rule}, but no request is specified or request is 0"
        elif limited[name] / requested[name] > amount(bound):
            yield f"{rule}, but provided ratio is {limited[name] / requested[name]:f}"


def _bound_problems(item: Object, field: str, requested: Amounts, limited: Amounts) -> Iterator[str]:
    word = {"min": "minimum", "max": "maximum"}[field]
    breaks = operator.lt if field == "min" else operator.gt
    for name, bound in item.get(field, {}).items():
        for what, amounts in (("limit", limited), ("request", requested)):
            if name in amounts and breaks(amounts[name], amount(bound)):
                yield f"{word} {name} usage per {item['type']} is {bound}, but {what} is {_shown(name, amounts)}"
                break


def _shown(name: str, amounts: Amounts) -> str:
    return written({name: amounts[name]})[name]


def _told(problems: list[str]) -> str | None:
    if len(problems) > 1:
        return f"[{', '.join(problems)}]"
    return problems[0] if problems else None
