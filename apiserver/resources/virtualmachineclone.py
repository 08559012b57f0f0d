"""VirtualMachineClone: a wish for another machine like one that there is."""

from collections.abc import Iterable, Iterator

import orjson

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Column, Object, Resource, Strategy
from apiserver.machinery.schema import Catalogue
from apiserver.resources.cluster import Cluster
from apiserver.resources.gates import gate_errors
from apiserver.resources.rules import immutable, reference_errors
from apiserver.resources.versions import spec_conversion, versions, without
from apiserver.resources.virtualmachineinstance.validation.interfaces import address_errors
from kube.names import generated_name

GROUP = "clone.kubevirt.io"
VERSIONS = ("v1beta1", "v1alpha1")
KIND = "VirtualMachineClone"
MACHINE = "VirtualMachine"
SOURCES = {MACHINE: "kubevirt.io", "VirtualMachineSnapshot": "snapshot.kubevirt.io"}
COLUMNS = (
    Column(name="Phase", json_path=".status.phase"),
    Column(name="SourceVirtualMachine", json_path=".spec.source.name"),
    Column(name="TargetVirtualMachine", json_path=".spec.target.name"),
)
_FILTERS = ("annotationFilters", "labelFilters")
_CONVERSIONS = {
    "v1alpha1": spec_conversion(
        GROUP,
        "v1beta1",
        "v1alpha1",
        to_hub=lambda spec: spec,
        from_hub=lambda spec: without(spec, ("patches", "volumeNamePolicy")),
    )
}


class VirtualMachineCloneStrategy(Strategy):
    """The new machine has a name from the beginning, and what is being cloned cannot become something else.

    Source: KubeVirt's ``vmclone-admitter.go`` and ``clone-create-mutator.go``.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def prepare_for_create(self, new: Object, caller: Caller) -> None:
        """Name the new machine where nobody did."""
        spec = new["spec"]
        target = spec.setdefault("target", {"apiGroup": SOURCES[MACHINE], "kind": MACHINE, "name": ""})
        target["name"] = target["name"] or generated_name(f"clone-{spec['source']['name']}-")

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with a new clone."""
        spec = new["spec"]
        source, target = spec["source"], spec.get("target", {})
        yield from gate_errors(self._cluster.configuration, "Snapshot", "spec")
        yield from reference_errors(source, "spec.source", SOURCES)
        if target and target["kind"] != MACHINE:
            yield FieldError.not_supported("spec.target.kind", target["kind"], (MACHINE,))
        elif source["kind"] == MACHINE and source["name"] == target.get("name"):
            yield FieldError.invalid("spec.target.name", target["name"], "must not be the name of the source")
        for path, owner in (("spec", spec), ("spec.template", spec.get("template", {}))):
            for field in _FILTERS:
                yield from _filter_errors(owner.get(field, []), f"{path}.{field}")
        for name, address in spec.get("newMacAddresses", {}).items():
            if address:
                yield from address_errors(address, f"spec.newMacAddresses[{name}]")
        for i, patch in enumerate(spec.get("patches", [])):
            yield from _json_errors(patch, f"spec.patches[{i}]")

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield an error when the spec has changed."""
        return immutable(new, old, ("spec",))


def _filter_errors(filters: list[str], path: str) -> Iterator[FieldError]:
    for i, each in enumerate(filters):
        if each in ("", "!"):
            yield FieldError.invalid(f"{path}[{i}]", each, "must name a key")
        elif "!" in each[1:]:
            yield FieldError.invalid(f"{path}[{i}]", each, "'!' may only be at its beginning")
        elif "*" in each[:-1]:
            yield FieldError.invalid(f"{path}[{i}]", each, "'*' may only be at its end")


def _json_errors(text: str, path: str) -> Iterator[FieldError]:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as problem:
        yield FieldError.invalid(path, text, f"is not JSON: {problem}")


def resource(catalogue: Catalogue, cluster: Cluster) -> Resource:
    """Define the kind."""
    return Resource(
        group=GROUP,
        kind=KIND,
        plural="virtualmachineclones",
        singular="virtualmachineclone",
        short_names=("vmclone", "vmclones"),
        categories=("all",),
        namespaced=True,
        versions=versions(catalogue, GROUP, KIND, VERSIONS, COLUMNS, _CONVERSIONS),
        strategy=VirtualMachineCloneStrategy(cluster),
        has_status=True,
        has_generation=True,
        custom=True,
        unattended=True,
    )
