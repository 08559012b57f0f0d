"""Rules of a machine: when it runs, what it is made from, and what may not change meanwhile."""

from copy import deepcopy
from typing import Any

import pytest

from apiserver.machinery.resource import Caller
from apiserver.resources.cluster import Cluster
from apiserver.resources.virtualmachine.strategy import VirtualMachineStrategy
from tests.apiserver.resources.surroundings import PLAIN, configured
from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    FORBIDDEN,
    INVALID,
    REQUIRED,
    UNSUPPORTED,
    edited,
    put,
)

Object = dict[str, Any]

USER, SYSTEM = Caller("jane"), Caller("controllers", system=True)
TEMPLATE = "spec.template.spec"
MEMORY, MOST = "spec.template.spec.domain.memory", "spec.template.spec.domain.memory.maxGuest"
VOLUME = f"{TEMPLATE}.volumes.0"
DV = "spec.dataVolumeTemplates.0"
FIELD = "spec.dataVolumeTemplates[0]"
LABEL = "kubevirt.io/created-by"
STAGE = configured(vmRolloutStrategy="Stage")
EMULATING = configured(emulatedMachines=["q36*"])
NO_RECEIVERS = configured(developerConfiguration={"disabledFeatureGates": ["DecentralizedLiveMigration"]})


def machine(edits: Object | None = None) -> Object:
    """A machine that breaks no rule and brings a volume along, with every edit, by path; None takes a field away."""
    made: Object = {
        "metadata": {"name": "vm", "namespace": "ns"},
        "spec": {
            "runStrategy": "Halted",
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": edited({"domain.memory.guest": "1Gi"})},
            "dataVolumeTemplates": [
                {"metadata": {"name": "root"}, "spec": {"storage": {}, "source": {"blank": {}}}},
            ],
        },
    }
    put(made, VOLUME, {"name": "root", "dataVolume": {"name": "root"}})
    for path, value in (edits or {}).items():
        put(made, path, deepcopy(value))
    return made


CASES: list[tuple[Object, Cluster, str, str, str]] = [
    # power
    ({"spec.running": False}, PLAIN, "spec.running", INVALID, "exactly one"),
    ({"spec.runStrategy": None}, PLAIN, "spec.running", INVALID, "use runStrategy"),
    ({"spec.runStrategy": "always"}, PLAIN, "spec.runStrategy", UNSUPPORTED, "WaitAsReceiver"),
    ({"spec.runStrategy": "WaitAsReceiver"}, NO_RECEIVERS, "spec.runStrategy", FORBIDDEN, "DecentralizedLiveMigration"),
    ({"spec.updateVolumesStrategy": "Copy"}, PLAIN, "spec.updateVolumesStrategy", UNSUPPORTED, "Replacement"),
    # growing
    (
        {MOST: "512Mi"},
        PLAIN,
        MOST,
        INVALID,
        "less than",
    ),
    (
        {MOST: "2049Mi"},
        PLAIN,
        MOST,
        INVALID,
        "multiples of 2Mi",
    ),
    (
        {MEMORY: {"guest": "1Gi", "maxGuest": "1538Mi", "hugepages": {"pageSize": "1Gi"}}},
        PLAIN,
        MOST,
        INVALID,
        "multiples of 1Gi",
    ),
    (
        {MEMORY: {"guest": "512Mi", "maxGuest": "1Gi"}},
        PLAIN,
        MOST,
        INVALID,
        "at least 1Gi",
    ),
    (
        {MOST: "2Gi", f"{TEMPLATE}.architecture": "s390x"},
        PLAIN,
        MOST,
        INVALID,
        "amd64 only",
    ),
    (
        {
            MOST: "2Gi",
            f"{TEMPLATE}.domain.launchSecurity": {"sev": {}},
            f"{TEMPLATE}.domain.firmware.bootloader.efi": {"secureBoot": False},
        },
        PLAIN,
        MOST,
        INVALID,
        "a guest with domain.launchSecurity cannot grow",
    ),
    # what tells it from others of a fleet
    (
        {f"{TEMPLATE}.domain.firmware": {"uuid": "mine"}},
        PLAIN,
        f"{TEMPLATE}.domain.firmware.uuid",
        INVALID,
        "must be a UUID",
    ),
    (
        {f"{TEMPLATE}.domain.cpu": {"sockets": 4, "maxSockets": 2}},
        PLAIN,
        f"{TEMPLATE}.domain.cpu.sockets",
        INVALID,
        "at most maxSockets, 2",
    ),
    # the template
    (
        {"spec.template.metadata.labels": {LABEL: "me"}},
        PLAIN,
        f"spec.template.metadata.labels[{LABEL}]",
        FORBIDDEN,
        "only controllers and node agents",
    ),
    ({f"{TEMPLATE}.domain.machine": {"type": "pc"}}, PLAIN, f"{TEMPLATE}.domain.machine.type", INVALID, "q35*"),
    (
        {f"{TEMPLATE}.domain.resources": {"limits": {"memory": "512Mi"}}},
        STAGE,
        f"{TEMPLATE}.domain.memory.guest",
        INVALID,
        "limits.memory, 512Mi",
    ),
    # volumes that it brings along
    ({f"{DV}.metadata": {}}, PLAIN, f"{FIELD}.metadata.name", REQUIRED, "name the DataVolume"),
    ({f"{DV}.metadata.name": "other"}, PLAIN, f"{FIELD}.metadata.name", INVALID, "add one with dataVolume.name"),
    (
        {f"{DV}.metadata.namespace": "other"},
        PLAIN,
        f"{FIELD}.metadata.namespace",
        INVALID,
        "namespace of the machine, ns",
    ),
    ({f"{DV}.spec": {"source": {"blank": {}}}}, PLAIN, f"{FIELD}.spec.storage", REQUIRED, "here or in pvc"),
    ({f"{DV}.spec.pvc": {}}, PLAIN, f"{FIELD}.spec.pvc", FORBIDDEN, "exclude each other"),
    ({f"{DV}.spec": {"storage": {}}}, PLAIN, f"{FIELD}.spec.source", REQUIRED, "here or in sourceRef"),
    ({f"{DV}.spec.source": {}}, PLAIN, f"{FIELD}.spec.source", REQUIRED, "blank"),
    ({f"{DV}.spec.source": {"blank": {}, "http": {}}}, PLAIN, f"{FIELD}.spec.source", FORBIDDEN, "blank and http"),
    (
        {f"{DV}.spec.storage": {"dataSource": {}}},
        PLAIN,
        f"{FIELD}.spec.source",
        FORBIDDEN,
        "a data source already",
    ),
    (
        {f"{DV}.spec": {"pvc": {"dataSourceRef": {}}, "sourceRef": {}}},
        PLAIN,
        f"{FIELD}.spec.sourceRef",
        FORBIDDEN,
        "remove one of the two",
    ),
]


def without_nulls(made: Object) -> Object:
    return {**made, "spec": {name: value for name, value in made["spec"].items() if value is not None}}


@pytest.mark.parametrize(("edits", "cluster", "field", "reason", "part"), CASES)
def test_a_machine_that_cannot_be_is_refused(
    edits: Object, cluster: Cluster, field: str, reason: str, part: str
) -> None:
    found = list(VirtualMachineStrategy(cluster).validate(without_nulls(machine(edits)), USER))
    assert [(each.field, each.reason) for each in found] == [(field, reason)]
    assert part in found[0].message


RIGHT: list[tuple[Object, Cluster]] = [
    ({}, PLAIN),
    ({"spec.runStrategy": "WaitAsReceiver"}, PLAIN),
    ({"spec.updateVolumesStrategy": "Migration"}, PLAIN),
    ({MOST: "2Gi"}, PLAIN),
    (
        {MEMORY: {"maxGuest": "2Gi"}, f"{TEMPLATE}.domain.resources.requests": {"memory": "1Gi"}},
        PLAIN,
    ),
    ({MOST: "2049Mi"}, STAGE),
    ({f"{TEMPLATE}.domain.resources": {"limits": {"memory": "512Mi"}}}, PLAIN),
    ({MEMORY: {}}, PLAIN),
    ({f"{DV}.metadata.namespace": "ns"}, PLAIN),
    ({f"{DV}.spec": {"pvc": {}, "sourceRef": {"kind": "DataSource", "name": "a"}}}, PLAIN),
    ({f"{DV}.spec": {"pvc": {"dataSourceRef": {}}}}, PLAIN),
    ({VOLUME: {"name": "root", "persistentVolumeClaim": {"claimName": "root"}}}, PLAIN),
]


@pytest.mark.parametrize(("edits", "cluster"), RIGHT)
def test_a_machine_that_can_be_is_accepted(edits: Object, cluster: Cluster) -> None:
    assert list(VirtualMachineStrategy(cluster).validate(machine(edits), USER)) == []


def test_what_was_found_of_a_template_counts_while_the_configuration_does() -> None:
    unlikely = machine({f"{TEMPLATE}.domain.firmware": {"serial": "first"}, f"{TEMPLATE}.domain.machine.type": "q36"})
    wrong = [list(VirtualMachineStrategy(each).validate(unlikely, USER)) for each in (PLAIN, EMULATING, PLAIN)]
    assert [len(each) for each in wrong] == [1, 0, 1]


def test_the_system_may_use_its_own_labels_in_a_template() -> None:
    labelled = machine({"spec.template.metadata.labels": {LABEL: "me"}})
    assert list(VirtualMachineStrategy(PLAIN).validate(labelled, SYSTEM)) == []


BUSY: list[tuple[Object, Object, list[str]]] = [
    # (the status, the edits, what cannot change)
    ({"snapshotInProgress": "s"}, {}, []),
    ({"snapshotInProgress": "s"}, {f"{TEMPLATE}.hostname": "other"}, []),
    ({"snapshotInProgress": "s"}, {"spec.runStrategy": "Always"}, ["spec.runStrategy"]),
    ({"snapshotInProgress": "s"}, {f"{TEMPLATE}.volumes.1.name": "data"}, [f"{TEMPLATE}.volumes"]),
    ({"restoreInProgress": "r"}, {}, []),
    ({"restoreInProgress": "r"}, {"spec.runStrategy": "Manual"}, ["spec.runStrategy"]),
    ({"restoreInProgress": "r"}, {"spec.runStrategy": None, "spec.running": False}, []),
    ({"restoreInProgress": "r"}, {"spec.runStrategy": None, "spec.running": True}, ["spec.runStrategy"]),
    ({}, {"spec.runStrategy": "Always"}, []),
]


@pytest.mark.parametrize(("status", "edits", "fields"), BUSY)
def test_a_machine_stays_as_a_snapshot_or_a_restore_needs_it(status: Object, edits: Object, fields: list[str]) -> None:
    old, new = {**machine(), "status": status}, {**without_nulls(machine(edits)), "status": status}
    if f"{TEMPLATE}.volumes.1.name" in edits:
        new["spec"]["template"]["spec"]["domain"]["devices"]["disks"][1]["name"] = "data"
    found = list(VirtualMachineStrategy(PLAIN).validate_update(new, old, USER))
    assert [each.field for each in found] == fields
    assert all("is complete" in each.message for each in found)


def test_a_machine_that_is_being_deleted_can_be_let_go_whatever_it_is() -> None:
    old = machine({"spec.runStrategy": "never"})
    new = machine({"spec.runStrategy": "never", f"{TEMPLATE}.hostname": "_"})
    new["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert list(VirtualMachineStrategy(PLAIN).validate_update(new, old, SYSTEM)) == []


WARNED = [
    ({MEMORY: {}}, f"{TEMPLATE}.domain.memory.guest"),
    (
        {f"{TEMPLATE}.domain.features.hyperv": {"synic": {}, "vpindex": {"enabled": False}}},
        f"{TEMPLATE}.domain.features.hyperv.synic",
    ),
]


@pytest.mark.parametrize(("edits", "field"), WARNED)
def test_what_is_refused_only_at_the_start_is_a_warning_before(edits: Object, field: str) -> None:
    told = [each for each in VirtualMachineStrategy(PLAIN).warnings(machine(edits)) if each.endswith("start from this")]
    assert [each.partition(": ")[0] for each in told] == [field]


def test_an_instance_type_says_how_much_memory_there_is() -> None:
    typed = machine({MEMORY: {}, "spec.instancetype": {"name": "u1.small"}})
    assert not any("start from this" in each for each in VirtualMachineStrategy(PLAIN).warnings(typed))
