"""PriorityClass: a name for how important something is."""

from collections.abc import Iterable

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Column, Object, Resource, Stored, Strategy, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources.cluster import Cluster
from apiserver.resources.rules import AGE, immutable

PRIORITY_CLASSES = "priorityclasses.scheduling.k8s.io"
HIGHEST_OF_USERS = 1_000_000_000
SYSTEM_PREFIX = "system-"
SYSTEM = {
    "system-cluster-critical": (2_000_000_000, "for what the cluster must have, but may have on another node"),
    "system-node-critical": (2_000_001_000, "for what its node must have"),
}
"""The classes that every cluster has: their values and descriptions."""
COLUMNS = (
    Column(name="Value", json_path=".value", type="integer"),
    Column(name="Global-Default", type="boolean", value=lambda each: each.get("globalDefault", False)),
    AGE,
    Column(name="PreemptionPolicy", json_path=".preemptionPolicy"),
)


class PriorityClassStrategy(Strategy):
    """Values are fixed, and the highest are the system's own.

    Source: ``k8s.io/kubernetes/pkg/apis/scheduling/validation``.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def refuses_write(self, new: Object, old: Object | None) -> str | None:
        """Allow one default (``k8s.io/kubernetes/plugin/pkg/admission/priority``)."""
        if new.get("globalDefault"):
            for other in self._cluster.stored.all(PRIORITY_CLASSES):
                name = other["metadata"]["name"]
                if other.get("globalDefault") and name != new["metadata"]["name"]:
                    return f"PriorityClass {name} is already marked as default. Only one default can exist"
        return None

    def refuses_delete(self, obj: Object) -> str | None:
        """Keep the classes that every cluster has."""
        return "this is a system priority class and cannot be deleted" if obj["metadata"]["name"] in SYSTEM else None

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield a name or a value that only the system's classes may have."""
        name, value = new["metadata"]["name"], new["value"]
        if name.startswith(SYSTEM_PREFIX):
            if name not in SYSTEM or value != SYSTEM[name][0] or new.get("globalDefault"):
                detail = "priority class names with 'system-' prefix are reserved for system use only"
                yield FieldError.forbidden("metadata.name", detail)
        elif value > HIGHEST_OF_USERS:
            detail = f"maximum allowed value of a user defined priority is {HIGHEST_OF_USERS}"
            yield FieldError.forbidden("value", detail)

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield also changes of what is fixed."""
        if new["value"] != old["value"]:
            yield FieldError.forbidden("value", "may not be changed in an update.")
        yield from immutable(new, old, ("preemptionPolicy",))


def system_classes() -> list[Object]:
    """Return the classes that every cluster has, to be created."""
    return [
        {"metadata": {"name": name}, "value": value, "description": f"Used {description}."}
        for name, (value, description) in SYSTEM.items()
    ]


def missing_class(stored: Stored, name: str) -> str | None:
    """Return why an object cannot have the priority class ``name``, empty for none, or None.

    Where nobody keeps classes, not even the system's, nobody knows. Source: as for ``refuses_write``.
    """
    if not name or stored.one(PRIORITY_CLASSES, "", name) or not any(stored.all(PRIORITY_CLASSES)):
        return None
    return f"no PriorityClass with name {name} was found"


def resource(catalogue: Catalogue, cluster: Cluster) -> Resource:
    """Define the kind."""
    group = "scheduling.k8s.io"
    return Resource(
        group=group,
        kind="PriorityClass",
        plural="priorityclasses",
        singular="priorityclass",
        short_names=("pc",),
        namespaced=False,
        versions=(Version(name="v1", schema=catalogue.schema(group, "v1", "PriorityClass"), columns=COLUMNS),),
        strategy=PriorityClassStrategy(cluster),
    )
