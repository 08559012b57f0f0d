"""What a guest knows its board by is the same at every start, whoever sends which manifest again."""

from copy import deepcopy
from typing import Any

import pytest

from apiserver.machinery.resource import Caller
from apiserver.resources.cluster import Cluster
from apiserver.resources.virtualmachine.strategy import VirtualMachineStrategy
from tests.apiserver.resources.surroundings import PLAIN, Remembered, configured

Object = dict[str, Any]

USER = Caller("jane")
LAYOUT = "kubevirt.io/pci-topology-version"
REFERENCE = {"kind": "DataSource", "name": "debian"}


def machine(*, spec: Object | None = None, metadata: Object | None = None, **settings: Any) -> Object:
    template = {"metadata": metadata or {}, "spec": {"domain": {"devices": {}}, **(spec or {})}}
    return {"metadata": {"name": "vm", "namespace": "ns"}, "spec": {"template": template, **settings}}


def created(new: Object, cluster: Cluster = PLAIN) -> Object:
    VirtualMachineStrategy(cluster).prepare_for_create(new, USER)
    return new


def template(made: Object) -> Object:
    return made["spec"]["template"]


def source(name: str, architecture: str | None, *, namespace: str = "ns", points_to: Object | None = None) -> Object:
    labels = {} if architecture is None else {"template.kubevirt.io/architecture": architecture}
    spec = {"source": {} if points_to is None else {"dataSource": points_to}}
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels}, "spec": spec}


def from_image(**reference: Any) -> Object:
    return machine(dataVolumeTemplates=[{"spec": {"sourceRef": {**REFERENCE, **reference}}}])


IMAGES = [
    (source("debian", "arm64"), from_image(), "arm64"),
    (source("debian", "arm64", namespace="images"), from_image(namespace="images"), "arm64"),
    (source("debian", None, points_to={"namespace": "ns", "name": "further"}), from_image(), "s390x"),
    (source("debian", "vax"), from_image(), "amd64"),
    (source("debian", None), from_image(), "amd64"),
    (source("debian", "arm64"), from_image(kind="Secret"), "amd64"),
    (source("debian", "arm64"), from_image(name="other"), "amd64"),
]


@pytest.mark.parametrize(("image", "new", "architecture"), IMAGES)
def test_a_machine_has_the_architecture_of_the_image_that_it_is_made_from(
    image: Object, new: Object, architecture: str
) -> None:
    kubevirt = configured(architectureConfiguration={"defaultArchitecture": "amd64"}).stored
    rest = list(kubevirt.all("kubevirts.kubevirt.io"))
    further = source("further", "s390x")
    sources = Remembered(datasources__cdi__kubevirt__io=[image, further], kubevirts__kubevirt__io=rest)
    assert template(created(new, Cluster(sources)))["spec"]["architecture"] == architecture


def test_what_a_machine_says_of_its_architecture_counts_more_than_its_image() -> None:
    new = from_image()
    template(new)["spec"]["architecture"] = "amd64"
    sources = Cluster(Remembered(datasources__cdi__kubevirt__io=[source("debian", "arm64")]))
    assert template(created(new, sources))["spec"]["architecture"] == "amd64"


@pytest.mark.parametrize(
    ("spec", "layout"),
    [
        ({"architecture": "amd64"}, "v3"),
        ({"architecture": "arm64"}, "v3"),
        ({"architecture": "s390x"}, None),
        ({"architecture": "amd64", "domain": {"devices": {}, "machine": {"type": "pc-i440fx-9.0"}}}, None),
    ],
)
def test_boards_with_pci_express_remember_how_it_is_laid_out(spec: Object, layout: str | None) -> None:
    assert template(created(machine(spec=spec)))["metadata"].get("annotations", {}).get(LAYOUT) == layout


def test_an_older_layout_stays() -> None:
    new = machine(metadata={"annotations": {LAYOUT: "v2"}})
    assert template(created(new))["metadata"]["annotations"] == {LAYOUT: "v2"}


def test_a_first_manifest_applied_again_changes_nothing_though_the_configuration_did() -> None:
    first = machine(runStrategy="Always")
    stored, again = created(deepcopy(first)), deepcopy(first)
    other = configured(machineType="pc-q35-9.0", architectureConfiguration={"defaultArchitecture": "s390x"})
    VirtualMachineStrategy(other).prepare_for_update(again, stored, USER)
    assert again == stored


def test_a_machine_of_another_architecture_gets_a_board_of_that() -> None:
    stored, changed = created(machine(spec={"architecture": "amd64"})), machine(spec={"architecture": "arm64"})
    VirtualMachineStrategy(PLAIN).prepare_for_update(changed, stored, USER)
    assert template(changed)["spec"]["domain"]["machine"] == {"type": "virt"}
