"""Namespace: a room for names. It vanishes only after it has been emptied."""

from apiserver.machinery.resource import Caller, Column, Object, Resource, Strategy, Version
from apiserver.machinery.schema import Catalogue

FINALIZER = "kubernetes"
"""Held until the namespace is empty (Kubernetes' namespace lifecycle)."""
COLUMNS = (
    Column(name="Status", json_path=".status.phase"),
    Column(name="Age", json_path=".metadata.creationTimestamp", type="date"),
)


class NamespaceStrategy(Strategy):
    """A namespace has finalizers of its own, and a phase that follows from its deletion."""

    def prepare_for_create(self, new: Object, caller: Caller) -> None:
        """Start Active, held until emptied, and selectable by name."""
        new["spec"] = {"finalizers": [FINALIZER]}
        new["status"] = {"phase": "Active"}
        new["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = new["metadata"]["name"]

    def prepare_for_update(self, new: Object, old: Object, caller: Caller) -> None:
        """Let only the system finish a namespace."""
        if not caller.system:
            new["spec"] = old["spec"]

    def prepare_for_delete(self, new: Object, caller: Caller) -> None:
        """Take no new objects from now on."""
        new["status"] = {**new.get("status", {}), "phase": "Terminating"}

    def holds_deletion(self, obj: Object) -> bool:
        """Return True until it is empty and nobody else holds it."""
        return bool(obj["metadata"].get("finalizers") or obj.get("spec", {}).get("finalizers"))


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    return Resource(
        group="",
        kind="Namespace",
        plural="namespaces",
        singular="namespace",
        short_names=("ns",),
        namespaced=False,
        versions=(Version(name="v1", schema=catalogue.schema("", "v1", "Namespace"), columns=COLUMNS),),
        strategy=NamespaceStrategy(),
        has_status=True,
        selectable_fields=("status.phase",),
    )
