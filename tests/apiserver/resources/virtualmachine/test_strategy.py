"""A machine keeps its identity from start to start."""

import copy
import uuid
from typing import Any

import pytest

from apiserver.machinery.resource import Caller
from apiserver.resources.virtualmachine.strategy import VirtualMachineStrategy
from tests.apiserver.resources.surroundings import PLAIN

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
