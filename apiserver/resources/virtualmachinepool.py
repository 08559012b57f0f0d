"""VirtualMachinePool: a number of machines that are all alike."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from apiserver.machinery.errors import FieldError
from apiserver.machinery.objectmeta import validate_annotations, validate_labels
from apiserver.machinery.resource import Caller, Column, Object, Resource, Strategy
from apiserver.machinery.schema import Catalogue
from apiserver.resources.cluster import Cluster
from apiserver.resources.rules import AGE, duration_errors, immutable, selector_errors
from apiserver.resources.scale import scale
from apiserver.resources.versions import versions
from apiserver.resources.virtualmachine.strategy import VirtualMachineStrategy

GROUP = "pool.kubevirt.io"
VERSIONS = ("v1beta1", "v1alpha1")
KIND = "VirtualMachinePool"
COLUMNS = (
    Column(name="Desired", json_path=".spec.replicas", type="integer"),
    Column(name="Current", json_path=".status.replicas", type="integer"),
    Column(name="Ready", json_path=".status.readyReplicas", type="integer"),
    AGE,
)
_TEMPLATE = "spec.virtualMachineTemplate"


class VirtualMachinePoolStrategy(Strategy):
    """The machines of a pool are judged before the first is made, and stay the pool's.

    Source: KubeVirt's ``vmpool-admitter.go``.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._machines = VirtualMachineStrategy(cluster)

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the pool and its template."""
        yield from _pool_errors(new["spec"])
        yield from self._template_errors(new, caller)

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the change. A template that was stored under older rules may stay as it is."""
        yield from immutable(new["spec"], old["spec"], ("selector",), "spec.")
        yield from _pool_errors(new["spec"])
        if new["spec"]["virtualMachineTemplate"] != old["spec"]["virtualMachineTemplate"]:
            yield from self._template_errors(new, caller)

    def warnings(self, new: Object) -> Iterable[str]:
        """Yield what the template has that should no longer be used."""
        for text in self._machines.warnings(_machine(new)):
            yield text.replace("spec.", f"{_TEMPLATE}.spec.", 1) if text.startswith("spec.") else text

    def _template_errors(self, pool: Object, caller: Caller) -> Iterator[FieldError]:
        metadata = pool["spec"]["virtualMachineTemplate"].get("metadata", {})
        yield from validate_labels(metadata.get("labels", {}), f"{_TEMPLATE}.metadata.labels")
        yield from validate_annotations(metadata.get("annotations", {}), f"{_TEMPLATE}.metadata.annotations")
        if "spec" not in pool["spec"]["virtualMachineTemplate"]:
            yield FieldError.required(f"{_TEMPLATE}.spec")
            return
        for error in self._machines.validate(_machine(pool), caller):
            yield replace(error, field=f"{_TEMPLATE}.{error.field}")


def _machine(pool: Object) -> Object:
    """Return a machine of the pool, without a number."""
    metadata = {key: pool["metadata"][key] for key in ("name", "namespace") if key in pool["metadata"]}
    return {"metadata": metadata, "spec": pool["spec"]["virtualMachineTemplate"]["spec"]}


def _pool_errors(spec: Object) -> Iterator[FieldError]:
    labels = spec["virtualMachineTemplate"].get("metadata", {}).get("labels", {})
    yield from selector_errors(spec["selector"], labels, "spec.selector")
    if "maxUnavailable" in spec:
        yield from _unavailable_errors(spec["maxUnavailable"], "spec.maxUnavailable")
    for field in ("scaleInStrategy", "updateStrategy"):
        if len(chosen := sorted(spec.get(field, {}))) > 1:
            yield FieldError.invalid(f"spec.{field}", chosen, "only one of these can be chosen")
    healing = spec.get("autohealing", {})
    if "minFailingToStartDuration" in healing:
        yield from duration_errors(healing["minFailingToStartDuration"], "spec.autohealing.minFailingToStartDuration")


def _unavailable_errors(value: Any, path: str) -> Iterator[FieldError]:
    if isinstance(value, int):
        if value < 1:
            yield FieldError.invalid(path, value, "must be at least 1")
        return
    number = str(value).removesuffix("%")
    if number == value or not (
        number.isascii() and number.isdecimal() and len(number) <= 3 and 1 <= int(number) <= 100
    ):
        yield FieldError.invalid(path, value, "must be a number, or a part from 1% to 100%")


def resource(catalogue: Catalogue, cluster: Cluster) -> Resource:
    """Define the kind."""
    return Resource(
        group=GROUP,
        kind=KIND,
        plural="virtualmachinepools",
        singular="virtualmachinepool",
        short_names=("vmpool", "vmpools"),
        categories=("all",),
        namespaced=True,
        versions=versions(catalogue, GROUP, KIND, VERSIONS, COLUMNS),
        strategy=VirtualMachinePoolStrategy(cluster),
        has_status=True,
        has_generation=True,
        custom=True,
        unattended=True,
        scale=scale(catalogue),
    )
