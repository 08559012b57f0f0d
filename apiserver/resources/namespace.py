"""Namespace: a room for names. It vanishes only after it has been emptied."""

from collections.abc import Iterable

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Column, Object, Resource, Strategy, Version
from apiserver.machinery.schema import Catalogue
from kube.names import key_problem, label_problem

FINALIZER = "kubernetes"
"""Held until the namespace is empty (Kubernetes' namespace lifecycle)."""
IMMORTAL = frozenset({"default", "kube-system", "kube-public"})
"""Nobody may delete these (``k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle``)."""
COLUMNS = (
    Column(name="Status", json_path=".status.phase"),
    Column(name="Age", json_path=".metadata.creationTimestamp", type="date"),
)


class NamespaceStrategy(Strategy):
    """A namespace has finalizers of its own, and a phase that follows from its deletion.

    Source: ``k8s.io/kubernetes/pkg/registry/core/namespace``. Its finalizers change by the subresource ``finalize``.
    """

    def prepare_for_create(self, new: Object, caller: Caller) -> None:
        """Start Active, held until emptied, and selectable by name."""
        finalizers = new.setdefault("spec", {}).setdefault("finalizers", [])
        if FINALIZER not in finalizers:
            finalizers.append(FINALIZER)
        new["status"] = {"phase": "Active"}
        _label(new)

    def prepare_for_update(self, new: Object, old: Object, caller: Caller) -> None:
        """Put back the finalizers, and the label by which namespaces are selected."""
        new["spec"] = old.get("spec", {})  # none is left once the finalizers were taken away
        _label(new)

    def prepare_for_status_update(self, new: Object, old: Object, caller: Caller) -> None:
        """Put back the label."""
        _label(new)

    def refuses_delete(self, obj: Object) -> str | None:
        """Keep the namespaces that every cluster has."""
        return "this namespace may not be deleted" if obj["metadata"]["name"] in IMMORTAL else None

    def prepare_for_delete(self, new: Object, caller: Caller) -> None:
        """Take no new objects from now on. A namespace has no grace period, not even one of no seconds."""
        new["status"] = {**new.get("status", {}), "phase": "Terminating"}
        new["metadata"].pop("deletionGracePeriodSeconds", None)

    def holds_deletion(self, obj: Object) -> bool:
        """Return True until it is empty and nobody else holds it."""
        return bool(obj["metadata"].get("finalizers") or obj.get("spec", {}).get("finalizers"))

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield an error for every finalizer that is neither Kubernetes' own nor a qualified name."""
        for i, name in enumerate((new.get("spec") or {}).get("finalizers") or ()):
            if problem := key_problem(name):
                yield FieldError.invalid(f"spec.finalizers[{i}]", name, problem)
            elif name != FINALIZER and "/" not in name:
                detail = "name is neither a standard finalizer name nor is it fully qualified"
                yield FieldError.invalid(f"spec.finalizers[{i}]", name, detail)


def _label(namespace: Object) -> None:
    namespace["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = namespace["metadata"]["name"]


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    return Resource(
        group="",
        kind="Namespace",
        plural="namespaces",
        singular="namespace",
        short_names=("ns",),
        namespaced=False,
        names=label_problem,
        versions=(Version(name="v1", schema=catalogue.schema("", "v1", "Namespace"), columns=COLUMNS),),
        strategy=NamespaceStrategy(),
        has_status=True,
        finalizable=True,
        propagates=False,
        deletes_collections=False,
        returns_deleted=True,
        selectable_fields=("status.phase",),
    )
