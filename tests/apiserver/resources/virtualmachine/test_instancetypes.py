"""Machines that name an instance type or a preference: what is inferred, filled in, expanded and refused."""

from copy import deepcopy
from typing import Any

import pytest

from apiserver.machinery.errors import StatusError
from apiserver.machinery.resource import Caller
from apiserver.resources.cluster import Cluster
from apiserver.resources.virtualmachine.expansion import expand_fully
from apiserver.resources.virtualmachine.strategy import VirtualMachineStrategy
from tests.apiserver.resources.surroundings import Remembered

Object = dict[str, Any]
USER = Caller("jane")


def named(name: str, spec: Object, namespace: str = "", **labels: str) -> Object:
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels}, "spec": spec}


def labelled(which: str, name: str) -> dict[str, str]:
    return {f"instancetype.kubevirt.io/default-{which}": name}


CLAIM = {"pvc": {"name": "golden", "namespace": "images"}}
CLUSTER = Cluster(
    Remembered(
        virtualmachineclusterinstancetypes__instancetype__kubevirt__io=[
            named("u1", {"cpu": {"guest": 2}, "memory": {"guest": "2Gi"}}),
            named("odd", {"cpu": {"guest": 3}, "memory": {"guest": "2Gi"}}),
        ],
        virtualmachineclusterpreferences__instancetype__kubevirt__io=[
            named("linux", {"devices": {"preferredDiskBus": "virtio", "preferredInterfaceModel": "virtio"}}),
            named("spread", {"cpu": {"preferredCPUTopology": "spread"}}),
            named("large", {"requirements": {"cpu": {"guest": 8}}}),
            named("board", {"preferredArchitecture": "amd64", "machine": {"preferredMachineType": "pc-q35-9.2"}}),
            named("storage", {"volumes": {"preferredStorageClassName": "fast"}}),
        ],
        persistentvolumeclaims=[
            named("root", {}, "default", **labelled("instancetype", "u1")),
            named("golden", {}, "images", **labelled("preference", "linux")),
            named("bare", {}, "default"),
        ],
        datavolumes__cdi__kubevirt__io=[named("imported", {"source": {"http": {}}}, "default")],
        datasources__cdi__kubevirt__io=[
            named("fedora", {"source": CLAIM}, "images", **labelled("instancetype", "u1")),
            named("plain", {"source": CLAIM}, "images"),
        ],
    )
)
STRATEGY = VirtualMachineStrategy(CLUSTER)


def machine(domain: Object | None = None, **spec: Any) -> Object:
    template = {"spec": {"domain": {"devices": {}, **(domain or {})}}}
    metadata = {"name": "vm", "namespace": "default"}
    return {"metadata": metadata, "spec": {"runStrategy": "Halted", "template": template, **spec}}


def errors(subject: Object) -> dict[str, str]:
    subject = deepcopy(subject)
    STRATEGY.prepare_for_create(subject, USER)
    return {each.field: f"{each.reason} {each.message}" for each in STRATEGY.validate(subject, USER)}


def test_an_instance_type_says_how_much_memory_there_is() -> None:
    assert errors(machine(instancetype={"name": "u1"}, preference={"name": "linux"})) == {}


@pytest.mark.parametrize(
    ("subject", "field", "told"),
    [
        (machine(instancetype={}), "spec.instancetype", "FieldValueNotFound name or inferFromVolume is needed"),
        (machine(preference={"kind": "VirtualMachinePreference"}), "spec.preference", "FieldValueNotFound name or"),
        (
            machine(instancetype={"name": "u1", "inferFromVolume": "root"}),
            "spec.instancetype.name",
            "FieldValueNotSupported name must not be set with inferFromVolume",
        ),
        (
            machine(preference={"kind": "x", "inferFromVolume": "root"}),
            "spec.preference.kind",
            "FieldValueNotSupported kind must not be set with inferFromVolume",
        ),
        (
            machine(instancetype={"inferFromVolume": "root", "inferFromVolumeFailurePolicy": "Maybe"}),
            "spec.instancetype.inferFromVolumeFailurePolicy",
            'FieldValueInvalid Invalid value: "Maybe": must be Reject or Ignore',
        ),
        (
            machine(instancetype={"name": "u1", "kind": "VirtualMachinePreference"}),
            "spec.instancetype.kind",
            "FieldValueNotSupported Unsupported value",
        ),
        (
            machine({"cpu": {"cores": 2}}, instancetype={"name": "u1"}),
            "spec.template.spec.domain.cpu.cores",
            "FieldValueInvalid the instance type decides this",
        ),
        (
            machine({"memory": {"guest": "1Gi"}}, instancetype={"name": "u1"}),
            "spec.template.spec.domain.memory.guest",
            "FieldValueInvalid the instance type decides this",
        ),
        (
            machine(instancetype={"name": "odd"}, preference={"name": "spread"}),
            "spec.instancetype",
            "FieldValueInvalid 3 vCPUs of the instance type cannot be spread",
        ),
        (
            machine(instancetype={"name": "u1"}, preference={"name": "large"}),
            "spec.instancetype",
            "FieldValueNotFound the preference requires 8 vCPUs",
        ),
    ],
)
def test_what_cannot_be_applied_is_refused(subject: Object, field: str, told: str) -> None:
    assert errors(subject)[field].startswith(told)


def test_everything_wrong_is_told_beside_a_conflict() -> None:
    subject = machine({"cpu": {"cores": 2}}, instancetype={"name": "u1"})
    subject["spec"]["template"]["spec"]["domain"]["devices"]["disks"] = [{"name": "a", "disk": {"bus": "ide"}}]
    at = "spec.template.spec.domain"
    assert {f"{at}.cpu.cores", f"{at}.devices.disks[0].disk.bus"} <= errors(subject).keys()


@pytest.mark.parametrize("which", ["instancetype", "preference"])
def test_what_is_still_to_come_is_warned_of(which: str) -> None:
    subject = machine(**{which: {"name": "u9"}})
    assert errors(subject) == {}
    told = [each for each in STRATEGY.warnings(subject) if "u9" in each]
    assert told == [f"spec.{which}: VirtualMachineCluster{which.capitalize()} u9 does not exist; create it first"]


def test_a_revision_of_another_name_is_refused() -> None:
    old = machine(instancetype={"name": "u1", "revisionName": "r1"})
    new = machine(instancetype={"name": "u2", "revisionName": "r1"})
    assert [each.field for each in STRATEGY.validate_update(new, old, USER)][:1] == ["spec.instancetype.revisionName"]
    free = machine(instancetype={"name": "odd"})
    assert list(STRATEGY.validate_update(free, old, USER)) == []


def volumes(source: Object, **spec: Any) -> Object:
    subject = machine(**spec)
    subject["spec"]["template"]["spec"]["volumes"] = [{"name": "root", **source}]
    return subject


def made_from(spec: Object, **more: Any) -> Object:
    template = {"metadata": {"name": "dv"}, "spec": spec}
    return volumes({"dataVolume": {"name": "dv"}}, dataVolumeTemplates=[template], **more)


INFER: Object = {"inferFromVolume": "root"}
FEDORA = {"kind": "DataSource", "name": "fedora", "namespace": "images"}
PLAIN = {"kind": "DataSource", "name": "plain", "namespace": "images"}


@pytest.mark.parametrize(
    ("subject", "which", "name"),
    [
        (volumes({"persistentVolumeClaim": {"claimName": "root"}}, instancetype=INFER), "instancetype", "u1"),
        (volumes({"dataVolume": {"name": "root"}}, instancetype=INFER), "instancetype", "u1"),
        (made_from({"source": CLAIM}, preference=INFER), "preference", "linux"),
        (made_from({"sourceRef": FEDORA}, instancetype=INFER), "instancetype", "u1"),
        (made_from({"sourceRef": PLAIN}, preference=INFER), "preference", "linux"),
    ],
)
def test_a_matcher_is_inferred_from_the_labels_of_a_volume(subject: Object, which: str, name: str) -> None:
    STRATEGY.prepare_for_create(subject, USER)
    assert subject["spec"][which] == {"name": name}


BARE = {"persistentVolumeClaim": {"claimName": "bare"}}


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        (volumes(BARE, instancetype={"inferFromVolume": "other"}), "there is no volume other"),
        (volumes(BARE, instancetype=INFER), "default/bare has no label instancetype.kubevirt.io/default-instancetype"),
        (volumes({"emptyDisk": {}}, instancetype=INFER), "neither a persistentVolumeClaim nor a dataVolume"),
        (volumes({"dataVolume": {"name": "imported"}}, instancetype=INFER), "neither a claim nor a DataSource"),
        (volumes({"dataVolume": {"name": "gone"}}, instancetype=INFER), "default/gone, to infer from, does not exist"),
    ],
)
def test_what_cannot_be_inferred_refuses_the_machine(subject: Object, told: str) -> None:
    with pytest.raises(StatusError, match=told) as refused:
        STRATEGY.prepare_for_create(subject, USER)
    assert refused.value.code == 400


def test_ignoring_that_nothing_is_inferred_leaves_the_machine_as_it_is() -> None:
    ignore = {**INFER, "inferFromVolumeFailurePolicy": "Ignore"}
    subject = volumes(BARE, instancetype=ignore, preference=ignore)
    subject["spec"]["template"]["spec"]["domain"]["memory"] = {"guest": "1Gi"}
    STRATEGY.prepare_for_create(subject, USER)
    assert not {"instancetype", "preference"} & subject["spec"].keys()
    assert subject["spec"]["template"]["spec"]["domain"]["memory"] == {"guest": "1Gi"}


def test_memory_for_the_case_that_nothing_is_inferred_gives_way_to_an_instance_type() -> None:
    ignore = {**INFER, "inferFromVolumeFailurePolicy": "Ignore"}
    subject = volumes({"persistentVolumeClaim": {"claimName": "root"}}, instancetype=ignore)
    subject["spec"]["template"]["spec"]["domain"]["memory"] = {"guest": "1Gi"}
    assert errors(subject) == {}


def test_a_preference_chooses_the_board_and_the_storage_class() -> None:
    subject = made_from({"storage": {}, "source": CLAIM}, preference={"name": "board"})
    STRATEGY.prepare_for_create(subject, USER)
    assert subject["spec"]["template"]["spec"]["domain"]["machine"] == {"type": "pc-q35-9.2"}
    subject = made_from({"storage": {}, "source": CLAIM}, preference={"name": "storage"})
    STRATEGY.prepare_for_create(subject, USER)
    assert subject["spec"]["dataVolumeTemplates"][0]["spec"]["storage"] == {"storageClassName": "fast"}


def test_an_expanded_machine_needs_neither() -> None:
    subject = volumes({"emptyDisk": {}}, instancetype={"name": "u1"}, preference={"name": "linux"})
    subject["status"] = {"instancetypeRef": {"name": "u1"}, "ready": False}
    expanded, found = expand_fully(subject, CLUSTER)
    assert found == ()
    assert expanded["status"] == {"ready": False}
    assert not {"instancetype", "preference"} & expanded["spec"].keys()
    domain = expanded["spec"]["template"]["spec"]["domain"]
    assert domain["memory"]["guest"] == "2Gi"
    assert domain["devices"]["disks"] == [{"name": "root", "disk": {"bus": "virtio"}}]
    assert domain["devices"]["interfaces"][0]["model"] == "virtio"
    assert "instancetype" in subject["spec"]


@pytest.mark.parametrize(
    ("subject", "field"),
    [
        (machine(instancetype={"name": "u9"}), "spec.instancetype"),
        (machine({"cpu": {"cores": 2}}, instancetype={"name": "u1"}), "spec.template.spec.domain.cpu.cores"),
    ],
)
def test_what_cannot_be_expanded_says_why(subject: Object, field: str) -> None:
    assert [each.field for each in expand_fully(subject, CLUSTER)[1]] == [field]


def test_a_machine_without_either_is_expanded_as_it_is() -> None:
    subject = machine({"memory": {"guest": "1Gi"}})
    assert expand_fully(subject, CLUSTER) == (subject, ())
