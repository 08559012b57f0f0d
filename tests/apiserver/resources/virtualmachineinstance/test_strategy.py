"""An instance is filled in once and then fixed; its status is the system's."""

import copy
from typing import Any

from apiserver.machinery.resource import Caller
from apiserver.resources.virtualmachine.strategy import VirtualMachineStrategy
from apiserver.resources.virtualmachineinstance.strategy import VirtualMachineInstanceStrategy
from tests.apiserver.resources.surroundings import PLAIN
from tests.apiserver.resources.virtualmachineinstance.validation.specs import FORBIDDEN, valid

Object = dict[str, Any]

USER, SYSTEM = Caller("jane"), Caller("controllers", system=True)
AGENT = Caller("system:node:one", frozenset({"system:nodes"}), system=True)


def instance(**metadata: Any) -> Object:
    return {"metadata": {"name": "guest", **metadata}, "spec": {"domain": {"memory": {"guest": "1Gi"}, "devices": {}}}}


def test_a_new_instance_is_pending_and_held() -> None:
    new = instance(finalizers=["mine"])
    VirtualMachineInstanceStrategy(PLAIN).prepare_for_create(new, USER)
    assert new["metadata"]["finalizers"] == ["mine", "kubevirt.io/foregroundDeleteVirtualMachine"]
    (transition,) = new["status"]["phaseTransitionTimestamps"]
    assert transition["phase"] == new["status"]["phase"] == "Pending"
    assert new["status"]["memory"] == {"guestAtBoot": "1Gi", "guestCurrent": "1Gi", "guestRequested": "1Gi"}
    assert new["status"]["currentCPUTopology"] == {"sockets": 1, "cores": 1, "threads": 1}


def test_the_manifest_an_instance_was_made_from_changes_nothing_later() -> None:
    strategy, stored = VirtualMachineInstanceStrategy(PLAIN), instance()
    strategy.prepare_for_create(stored, USER)
    again = instance()
    strategy.prepare_for_update(again, stored, USER)
    assert again["spec"] == stored["spec"]
    assert list(strategy.validate_update(again, stored, USER)) == []


def test_an_instance_stored_under_older_defaults_can_still_be_let_go_and_applied_again() -> None:
    strategy, stored = VirtualMachineInstanceStrategy(PLAIN), instance()
    strategy.prepare_for_create(stored, USER)
    del stored["spec"]["domain"]["cpu"]["model"]
    let_go, again = copy.deepcopy(stored), instance()
    let_go["metadata"]["finalizers"] = []
    for new in (let_go, again):
        strategy.prepare_for_update(new, stored, AGENT)
        assert new["spec"] == stored["spec"]
        assert list(strategy.validate_update(new, stored, AGENT)) == []


def test_controllers_alone_change_an_instances_hardware_and_say_all_that_they_mean() -> None:
    strategy, stored = VirtualMachineInstanceStrategy(PLAIN), instance()
    strategy.prepare_for_create(stored, USER)
    for caller, fields in ((USER, ["spec"]), (AGENT, ["spec"]), (SYSTEM, [])):
        changed = copy.deepcopy(stored)
        changed["spec"]["domain"]["memory"]["guest"] = "2Gi"
        del changed["spec"]["domain"]["features"]
        meant = copy.deepcopy(changed)
        strategy.prepare_for_update(changed, stored, caller)
        assert [each.field for each in strategy.validate_update(changed, stored, caller)] == fields
        assert (changed == meant) is (caller is SYSTEM)


def test_an_agent_creates_no_instance_whichever_verb_it_uses() -> None:
    strategy, new = VirtualMachineInstanceStrategy(PLAIN), instance()
    strategy.prepare_for_create(new, AGENT)
    assert [each.message for each in strategy.validate(new, AGENT)] == ["Forbidden: a node agent creates no instances"]
    assert list(strategy.validate(new, SYSTEM)) == []


def test_an_agent_reports_but_cannot_hand_its_instance_to_another_node() -> None:
    strategy = VirtualMachineInstanceStrategy(PLAIN)
    old = {"status": {"nodeName": "one", "phase": "Scheduled"}}
    for caller, kept in ((AGENT, "one"), (SYSTEM, "two")):
        new = {"status": {"nodeName": "two", "phase": "Running"}}
        strategy.prepare_for_status_update(new, old, caller)
        assert new["status"] == {"nodeName": kept, "phase": "Running"}


def test_a_users_status_is_put_back_without_a_word() -> None:
    for strategy in (VirtualMachineInstanceStrategy(PLAIN), VirtualMachineStrategy(PLAIN)):
        new: Object = {"status": {"phase": "Running"}}
        strategy.prepare_for_status_update(new, {"status": {"phase": "Pending"}}, USER)
        assert new == {"status": {"phase": "Pending"}}
        strategy.prepare_for_status_update(new, {}, USER)
        assert new == {}


def test_a_name_that_no_domain_can_have_is_refused() -> None:
    named = {"name": "n" * 200, "namespace": "s" * 41}
    for strategy, new in (
        (VirtualMachineStrategy(PLAIN), {"metadata": named, "spec": {"running": True, "template": {"spec": valid()}}}),
        (VirtualMachineInstanceStrategy(PLAIN), {"metadata": named, "spec": valid()}),
    ):
        (found,) = strategy.validate(new, USER)
        assert (found.field, "no more than 199" in found.message) == ("metadata.name", True)
        named["name"] = "n" * 199
        assert list(strategy.validate(new, USER)) == []
        named["name"] = "n" * 200


def test_only_the_system_says_where_an_instance_is() -> None:
    label = "kubevirt.io/nodeName"
    instance = {"metadata": {"labels": {label: "one"}}, "spec": valid()}
    strategy = VirtualMachineInstanceStrategy(PLAIN)
    assert [each.field for each in strategy.validate(instance, USER)] == [f"metadata.labels[{label}]"]
    assert list(strategy.validate(instance, Caller("controllers", system=True))) == []
    unlabelled = {"metadata": {}, "spec": valid()}
    assert [each.reason for each in strategy.validate_update(unlabelled, instance, USER)] == [FORBIDDEN]
