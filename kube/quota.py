"""What a ResourceQuota counts, and how much of it each object is: the same for admission and for the controller.

Source: ``k8s.io/kubernetes/pkg/quota/v1`` and its evaluators; a VirtualMachineInstance is counted as Kubernetes counts
a Pod, by :mod:`kube.demand`. Kinds are named as ``plural.group``, or by the plural alone in the core group.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import ROUND_CEILING, Decimal, localcontext

from kube.configuration import Configuration
from kube.demand import Amounts, limits, requests
from kube.instances import is_final
from kube.objects import Object
from kube.quantity import QuantityError, format_bytes, format_decimal, parse

RESOURCE_QUOTAS = "resourcequotas"
INSTANCES = "virtualmachineinstances.kubevirt.io"
CLAIMS = "persistentvolumeclaims"
COUNTED = frozenset(
    {
        *("pods", "services", "replicationcontrollers", RESOURCE_QUOTAS, "secrets", "configmaps"),
        *(CLAIMS, "services.nodeports", "services.loadbalancers"),
    }
)
"""What was counted under its plain name before there was ``count/``."""
COUNT_PREFIX = "count/"
HUGE_PAGES = "hugepages-"
_CLASS_SUFFIX = ".storageclass.storage.k8s.io/"
_STORAGE = "requests.storage"
_IN_BYTES = ("memory", "storage")
_SMALLEST = {"cpu": Decimal("0.001"), "memory": Decimal(1)}
_DIGITS = 1100
"""Enough for every quantity, up to 1e999: anybody may ask for any number of CPUs."""


def usage(resource: str, obj: Object, configuration: Configuration) -> Amounts:
    """Return how much of everything that quotas can limit an object of ``resource`` uses."""
    used = {COUNT_PREFIX + resource: Decimal(1)}
    if resource in COUNTED:
        used[resource] = Decimal(1)
    if more := _USED_BY.get(resource):
        used |= more(obj, configuration)
    return used


def charged(quota: Object, resource: str, obj: Object | None, configuration: Configuration) -> Amounts:
    """Return how much of ``quota`` an object uses: nothing where its scopes do not include the object."""
    hard = quota.get("spec", {}).get("hard", {})
    if obj is None or not hard or not _includes(quota, resource, obj):
        return {}
    return {name: amount for name, amount in usage(resource, obj, configuration).items() if name in hard}


def growth(quota: Object, resource: str, new: Object, old: Object | None, configuration: Configuration) -> Amounts:
    """Return how much more of ``quota`` is used when ``new`` takes the place of ``old``; what shrinks is left out."""
    before, after = (charged(quota, resource, each, configuration) for each in (old, new))
    change = {name: amount - before.get(name, 0) for name, amount in after.items()}
    return {name: amount for name, amount in change.items() if amount > 0}


def sources(quota: Object) -> set[str]:
    """Return the kinds whose objects the quota can count."""
    return {source(name) for name in quota.get("spec", {}).get("hard", {})}


def counted(quota: Object, objects: Mapping[str, Iterable[Object]], configuration: Configuration) -> Amounts:
    """Return how much all ``objects`` of its namespace, by kind, use of everything that the quota limits."""
    total: Amounts = dict.fromkeys(quota.get("spec", {}).get("hard", {}), Decimal(0))
    for resource, found in objects.items():
        for obj in found:
            for name, amount in charged(quota, resource, obj, configuration).items():
                total[name] += amount
    return total


def recorded(quota: Object) -> Amounts:
    """Return what the status says is used; what nobody can read is left out, as if it had not been counted."""
    return dict(_readable(quota.get("status", {}).get("used", {})))


def counted_beside(quota: Object, objects: Mapping[str, Iterable[Object]], configuration: Configuration) -> Object:
    """Return a quota that others count, with what ``objects`` use in its status, too: all there are of their kinds.

    The others know what pods use of a node. They may have counted how many of ``objects`` there are, some time ago.
    """
    known, own = recorded(quota), counted(quota, objects, configuration)
    counts = {COUNT_PREFIX + kind for kind in objects}
    used = {name: more if name in counts else known.get(name, Decimal(0)) + more for name, more in own.items()}
    return {**quota, "status": {**quota.get("status", {}), "used": written(used)}}


def exceeded(quota: Object, used: Amounts, more: Amounts) -> list[str]:
    """Return the names of which ``more`` on top of ``used`` would be too much, or where it is not known, in order."""
    hard = dict(_readable(quota.get("spec", {}).get("hard", {})))
    known = used.keys() & hard.keys()
    return sorted(name for name, amount in more.items() if name not in known or used[name] + amount > hard[name])


def written(amounts: Amounts) -> dict[str, str]:
    """Return amounts as quantities, bytes in binary units."""
    return {name: _written(name, amount) for name, amount in sorted(amounts.items())}


def _written(name: str, amount: Decimal) -> str:
    if name.endswith(_IN_BYTES) or HUGE_PAGES in name:
        return format_bytes(int(amount.to_integral_value(ROUND_CEILING)))
    try:
        return format_decimal(amount)
    except QuantityError:
        return str(amount)


def _readable(quantities: Mapping[str, str]) -> Iterator[tuple[str, Decimal]]:
    for name, text in quantities.items():
        try:
            yield name, parse(text)
        except QuantityError:
            continue


def source(name: str) -> str:
    """Return the kind whose objects a name of ``spec.hard`` is about."""
    if name.startswith(COUNT_PREFIX):
        return name.removeprefix(COUNT_PREFIX)
    if name in COUNTED:
        return name
    return CLAIMS if name == _STORAGE or _CLASS_SUFFIX in name else INSTANCES


def _used_by_instance(instance: Object, configuration: Configuration) -> Amounts:
    """Count a guest that has not ended: its requests, under both names, its limits, and the devices of its host."""
    if is_final(instance):
        return {}
    domain = instance["spec"].get("domain", {})
    requested, limited = _rounded(requests(instance, configuration)), _rounded(limits(instance))
    if page_size := domain.get("memory", {}).get("hugepages", {}).get("pageSize"):
        requested[HUGE_PAGES + page_size] = requested.pop("memory")
        del limited["memory"]
    used = {**requested, **{f"requests.{name}": amount for name, amount in requested.items()}}
    used |= {f"limits.{name}": amount for name, amount in limited.items()}
    devices = domain.get("devices", {})
    for device in (*devices.get("gpus", ()), *devices.get("hostDevices", ())):
        if "deviceName" in device:
            name = f"requests.{device['deviceName']}"
            used[name] = used.get(name, Decimal(0)) + 1
    return used


def _rounded(amounts: Amounts) -> Amounts:
    """Return amounts in whole bytes and thousandths of a CPU, rounded up as they are written."""
    with localcontext(prec=_DIGITS):
        return {name: amount.quantize(_SMALLEST[name], ROUND_CEILING) for name, amount in amounts.items()}


def _used_by_claim(claim: Object, _: Configuration) -> Amounts:
    """Count the storage that a claim asks for, and the claim, in all and of its class."""
    spec = claim.get("spec", {})
    used = dict(_readable({_STORAGE: spec.get("resources", {}).get("requests", {}).get("storage", "0")}))
    if name := spec.get("storageClassName"):
        of_class = {CLAIMS: Decimal(1), **used}
        used |= {f"{name}{_CLASS_SUFFIX}{each}": amount for each, amount in of_class.items()}
    return used


_USED_BY: Mapping[str, Callable[[Object, Configuration], Amounts]] = {
    INSTANCES: _used_by_instance,
    CLAIMS: _used_by_claim,
}
MEASURED = frozenset(_USED_BY)
"""Kinds of which more counts than how many there are, so that a change can use more."""


def _includes(quota: Object, resource: str, obj: Object) -> bool:
    """Return True when an object is in all scopes of the quota. One that has nothing to do with a scope is not."""
    spec = quota["spec"]
    terms = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes", ())]
    terms += spec.get("scopeSelector", {}).get("matchExpressions", ())
    return all(_holds(term, _SCOPES.get(resource, {}).get(term["scopeName"]), obj) for term in terms)


def _holds(term: Object, property_of: Callable[[Object], str] | None, obj: Object) -> bool:
    if property_of is None:
        return False
    value = property_of(obj)
    match term["operator"]:
        case "Exists":
            return bool(value)
        case "DoesNotExist":
            return not value
        case "In":
            return value in term["values"]
        case _:
            return value not in term["values"]


def _crosses_namespaces(instance: Object) -> str:
    affinity = instance["spec"].get("affinity", {})
    for kind in ("podAffinity", "podAntiAffinity"):
        required = affinity.get(kind, {}).get("requiredDuringSchedulingIgnoredDuringExecution", ())
        preferred = affinity.get(kind, {}).get("preferredDuringSchedulingIgnoredDuringExecution", ())
        for term in (*required, *(each.get("podAffinityTerm", {}) for each in preferred)):
            if term.get("namespaces") or "namespaceSelector" in term:
                return "crosses"
    return ""


_SCOPES: Mapping[str, Mapping[str, Callable[[Object], str]]] = {
    INSTANCES: {
        # A guest runs until somebody stops it, and always asks for memory.
        "Terminating": lambda _: "",
        "NotTerminating": lambda _: "always",
        "BestEffort": lambda _: "",
        "NotBestEffort": lambda _: "always",
        "PriorityClass": lambda instance: instance["spec"].get("priorityClassName", ""),
        "CrossNamespacePodAffinity": _crosses_namespaces,
    },
    CLAIMS: {"VolumeAttributesClass": lambda claim: claim.get("spec", {}).get("volumeAttributesClassName", "")},
}
"""What each scope looks at, empty where an object has none of it."""
