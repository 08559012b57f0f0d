"""A migration moves one guest that can be moved, and nothing about it changes later."""

from copy import deepcopy
from typing import Any

import pytest

from apiserver.machinery.resource import Caller
from apiserver.resources.cluster import Cluster
from apiserver.resources.virtualmachineinstancemigration import INSTANCE_LABEL, VirtualMachineInstanceMigrationStrategy
from tests.apiserver.resources.surroundings import Remembered

Object = dict[str, Any]

USER, SYSTEM = Caller("jane"), Caller("controllers", system=True)
INVALID, FORBIDDEN, NOT_FOUND = "FieldValueInvalid", "FieldValueForbidden", "FieldValueNotFound"


def instance(*, phase: str = "Running", migratable: str | None = None) -> Object:
    conditions = (
        []
        if migratable is None
        else [{"type": "LiveMigratable", "status": "False", "reason": migratable, "message": "a file of this node"}]
    )
    return {"metadata": {"name": "vmi", "namespace": "ns"}, "status": {"phase": phase, "conditions": conditions}}


def migration(*, name: str = "new", phase: str = "", **spec: Any) -> Object:
    metadata = {"name": name, "namespace": "ns"}
    return {"metadata": metadata, "spec": {"vmiName": "vmi", **spec}, **({"status": {"phase": phase}} if phase else {})}


def strategy(*others: Object, of: Object | None = None, off: str = "") -> VirtualMachineInstanceMigrationStrategy:
    gates = {"developerConfiguration": {"disabledFeatureGates": [off]}}
    metadata = {"name": "kubevirt", "creationTimestamp": "2026-01-01T00:00:00Z", "uid": "1"}
    return VirtualMachineInstanceMigrationStrategy(
        Cluster(
            Remembered(
                virtualmachineinstances__kubevirt__io=[of or instance()],
                virtualmachineinstancemigrations__kubevirt__io=list(others),
                kubevirts__kubevirt__io=[{"metadata": metadata, "spec": {"configuration": gates}}],
            )
        )
    )


REFUSED = [
    (migration(vmiName=""), strategy(), "spec.vmiName", "FieldValueRequired", "name the instance"),
    (migration(vmiName="other"), strategy(), "spec.vmiName", NOT_FOUND, "no such instance"),
    (migration(), strategy(of=instance(phase="Succeeded")), "spec.vmiName", INVALID, "has ended"),
    (migration(), strategy(of=instance(phase="Failed")), "spec.vmiName", INVALID, "has ended"),
    (migration(), strategy(of=instance(migratable="HostDisk")), "spec.vmiName", INVALID, "HostDisk: a file of this"),
    (
        migration(sendTo={"migrationID": "a"}),
        strategy(of=instance(migratable="HostDisk")),
        "spec.vmiName",
        INVALID,
        "HostDisk",
    ),
    (migration(), strategy(of=instance(migratable="DisksNotLiveMigratable")), "spec.vmiName", INVALID, "Disks"),
    (migration(), strategy(migration(name="first")), "spec.vmiName", INVALID, "first moves it already"),
    (migration(), strategy(migration(name="first", phase="Running")), "spec.vmiName", INVALID, "wait for that"),
    (migration(priority="user-triggered"), strategy(), "spec.priority", FORBIDDEN, "only controllers"),
    (
        migration(sendTo={"migrationID": "a"}),
        strategy(off="DecentralizedLiveMigration"),
        "spec.sendTo",
        FORBIDDEN,
        "DecentralizedLiveMigration is off",
    ),
    (
        migration(sendTo={"migrationID": "a"}, receive={"migrationID": "b"}),
        strategy(),
        "spec.receive.migrationID",
        INVALID,
        "that of sendTo, a",
    ),
]


@pytest.mark.parametrize(("new", "rules", "field", "reason", "part"), REFUSED)
def test_a_guest_that_cannot_be_moved_is_not(
    new: Object, rules: VirtualMachineInstanceMigrationStrategy, field: str, reason: str, part: str
) -> None:
    (found,) = rules.validate(new, USER)
    assert (found.field, found.reason) == (field, reason)
    assert part in found.message


RIGHT = [
    (migration(), strategy()),
    (migration(), strategy(migration(name="first", phase="Succeeded"), migration(name="second", phase="Failed"))),
    (migration(), strategy(migration(name="first", vmiName="other"))),
    (
        migration(sendTo={"migrationID": "a"}, receive={"migrationID": "a"}),
        strategy(of=instance(migratable="DisksNotLiveMigratable")),
    ),
]


@pytest.mark.parametrize(("new", "rules"), RIGHT)
def test_a_guest_that_can_be_moved_is(new: Object, rules: VirtualMachineInstanceMigrationStrategy) -> None:
    assert list(rules.validate(new, USER)) == []


def test_controllers_say_which_goes_first_in_one_of_three_ways() -> None:
    assert list(strategy().validate(migration(priority="system-critical"), SYSTEM)) == []
    (found,) = strategy().validate(migration(priority="at once"), SYSTEM)
    assert (found.field, found.reason) == ("spec.priority", "FieldValueNotSupported")


def test_a_migration_is_found_by_its_instance_until_it_is_over() -> None:
    rules, stored = strategy(), migration()
    rules.prepare_for_create(stored, USER)
    assert stored["metadata"]["labels"] == {INSTANCE_LABEL: "vmi"}
    lost = deepcopy(stored)
    lost["metadata"]["labels"] = {}
    assert [each.field for each in rules.validate_update(lost, stored, USER)] == [f"metadata.labels[{INSTANCE_LABEL}]"]
    lost["status"] = {"phase": "Failed"}
    assert list(rules.validate_update(lost, stored, USER)) == []


def test_a_migration_never_becomes_another_one() -> None:
    stored, changed = migration(), migration(vmiName="other")
    assert [each.field for each in strategy().validate_update(changed, stored, SYSTEM)] == ["spec"]
