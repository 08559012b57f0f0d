"""Annotations that change a guest, and the gates that they are behind."""

from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.gates import gate_errors
from kube.configuration import Configuration

GATES = {
    "kubevirt.io/ignitiondata": "ExperimentalIgnitionSupport",
    "hooks.kubevirt.io/hookSidecars": "Sidecar",
}


def validate_annotation_gates(metadata: Object, path: str, configuration: Configuration) -> Iterator[FieldError]:
    """Yield an error for each annotation of an instance, or a template of one, whose gate is off."""
    annotations = metadata.get("annotations", {})
    for name, gate in GATES.items():
        if annotations.get(name):
            yield from gate_errors(configuration, gate, f"{path}.annotations[{name}]")
