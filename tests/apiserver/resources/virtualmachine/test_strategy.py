"""A machine keeps its identity from start to start."""

import copy
import uuid
from typing import Any

import pytest

from apiserver.machinery.resource import Caller
from apiserver.resources.virtualmachine.strategy import VirtualMachineStrategy
from tests.apiserver.resources.surroundings import PLAIN
from tests.apiserver.resources.virtualmachineinstance.validation.specs import edited, valid

Object = dict[str, Any]

USER = Caller("jane")


def test_a_new_machine_gets_an_identity_that_outlives_its_instances_and_nothing_else() -> None:
    new = {"spec": {"runStrategy": "Always", "template": {"spec": {"domain": {"devices": {}}}}}}
    VirtualMachineStrategy(PLAIN).prepare_for_create(new, USER)
    spec = new["spec"]["template"]["spec"]
    firmware = spec["domain"].pop("firmware")
    uuid.UUID(firmware["uuid"])
    assert firmware["serial"]
    assert spec["domain"].pop("machine")["type"]
    assert spec.pop("architecture")
    assert spec == {"domain": {"devices": {}}}


def test_a_machine_that_is_replaced_by_its_first_manifest_keeps_its_identity() -> None:
    strategy = VirtualMachineStrategy(PLAIN)
    manifest = {"spec": {"runStrategy": "Always", "template": {"spec": {"domain": {"devices": {}}}}}}
    stored, again = copy.deepcopy(manifest), copy.deepcopy(manifest)
    strategy.prepare_for_create(stored, USER)
    strategy.prepare_for_update(again, stored, USER)
    assert again == stored
    again["spec"]["template"]["spec"]["domain"]["firmware"]["serial"] = "mine"
    strategy.prepare_for_update(again, stored, USER)
    assert again["spec"]["template"]["spec"]["domain"]["firmware"]["serial"] == "mine"


DEPRECATED = [
    ({"running": True}, {"masquerade": {}}, ["spec.running is deprecated; use spec.runStrategy"]),
    ({"runStrategy": "Always"}, {"masquerade": {}}, []),
    (
        {"runStrategy": "Always"},
        {"slirp": {}},
        ["spec.template.spec.domain.devices.interfaces[0].slirp is deprecated; use binding: {name: slirp}"],
    ),
]


@pytest.mark.parametrize(("power", "method", "told"), DEPRECATED)
def test_what_is_deprecated_is_accepted_with_a_warning(power: Object, method: Object, told: list[str]) -> None:
    devices = {"interfaces": [{"name": "default", **method}]}
    obj = {"spec": {**power, "template": {"spec": {"domain": {"memory": {"guest": "1Gi"}, "devices": devices}}}}}
    assert list(VirtualMachineStrategy(PLAIN).warnings(obj)) == told


def machine(spec: Object, **power: Any) -> Object:
    return {"metadata": {"name": "vm"}, "spec": {**power, "template": {"spec": spec}}}


POWER_CASES = [
    ({}, "spec.running", "exactly one"),
    ({"running": True, "runStrategy": "Always"}, "spec.running", "exactly one"),
    ({"runStrategy": "Sometimes"}, "spec.runStrategy", "RerunOnFailure"),
]


@pytest.mark.parametrize(("power", "field", "part"), POWER_CASES)
def test_a_machine_has_one_run_strategy(power: Object, field: str, part: str) -> None:
    (found,) = VirtualMachineStrategy(PLAIN).validate(machine(valid(), **power), USER)
    assert found.field == field
    assert part in found.message


def test_a_machines_template_is_judged_where_it_is() -> None:
    wrong = machine(edited({"domain.devices.disks.0.name": "x"}), runStrategy="Always")
    wrong["spec"]["template"]["metadata"] = {"labels": {"a b": "c"}, "annotations": {"d e": "f"}}
    found = {each.field: each.message for each in VirtualMachineStrategy(PLAIN).validate(wrong, USER)}
    assert found.keys() == {
        "spec.template.metadata.labels",
        "spec.template.metadata.annotations",
        "spec.template.spec.domain.devices.disks[0].name",
    }
    assert "spec.template.spec.volumes" in found["spec.template.spec.domain.devices.disks[0].name"]


def test_a_template_stored_under_older_rules_can_be_switched_but_not_changed() -> None:
    old = machine(edited({"hostname": "_"}), runStrategy="Always")
    halted = machine(edited({"hostname": "_"}), runStrategy="Halted")
    changed = machine(edited({"hostname": "_", "subdomain": "a"}), runStrategy="Always")
    strategy = VirtualMachineStrategy(PLAIN)
    assert list(strategy.validate_update(halted, old, USER)) == []
    assert [each.field for each in strategy.validate_update(changed, old, USER)] == ["spec.template.spec.hostname"]
