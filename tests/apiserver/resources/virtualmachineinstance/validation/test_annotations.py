"""Rules of annotations that change a guest."""

from typing import Any

import pytest

from apiserver.machinery.resource import Caller
from apiserver.resources.cluster import Cluster
from apiserver.resources.virtualmachine.strategy import VirtualMachineStrategy
from apiserver.resources.virtualmachineinstance.strategy import VirtualMachineInstanceStrategy
from tests.apiserver.resources.surroundings import PLAIN, gates
from tests.apiserver.resources.virtualmachineinstance.validation.specs import FORBIDDEN, valid

GATES = [
    ("kubevirt.io/ignitiondata", "ExperimentalIgnitionSupport"),
    ("hooks.kubevirt.io/hookSidecars", "Sidecar"),
]


def found(annotations: dict[str, str], cluster: Cluster) -> list[Any]:
    """What is wrong with an instance, and then with a machine whose template has the annotations."""
    metadata = {"name": "a", "annotations": annotations}
    template = {"metadata": {"annotations": annotations}, "spec": valid()}
    machine = {"metadata": {"name": "a"}, "spec": {"runStrategy": "Always", "template": template}}
    user = Caller("jane")
    return [
        *VirtualMachineInstanceStrategy(cluster).validate({"metadata": metadata, "spec": valid()}, user),
        *VirtualMachineStrategy(cluster).validate(machine, user),
    ]


@pytest.mark.parametrize(("name", "gate"), GATES)
def test_an_annotation_behind_a_gate_is_refused_until_it_is_on(name: str, gate: str) -> None:
    errors = found({name: "{}"}, PLAIN)
    assert [(each.field, each.reason) for each in errors] == [
        (f"metadata.annotations[{name}]", FORBIDDEN),
        (f"spec.template.metadata.annotations[{name}]", FORBIDDEN),
    ]
    assert all(f"the feature gate {gate} is off" in each.message for each in errors)
    assert found({name: "{}"}, gates(gate)) == []


def test_other_annotations_are_nobodys_business() -> None:
    assert found({"kubevirt.io/ignitiondata": "", "mine": "x"}, PLAIN) == []
