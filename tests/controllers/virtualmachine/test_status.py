from typing import Any

import pytest

from controllers.virtualmachine.decide import Action, CreateInstance, DeleteInstance, Nothing, QueueStart, Wait
from controllers.virtualmachine.instance import build_instance
from controllers.virtualmachine.status import Facts, Failure, machine_status, seconds_untold
from tests.controllers.objects import NOW, instance, machine

RAN = [{"phase": "Running", "phaseTransitionTimestamp": "2026-01-01T11:00:00Z"}]


def status(
    vm: Any, vmi: Any = None, action: Action | None = None, failure: Failure | None = None, jitter: float = 0
) -> Any:
    facts = Facts(machine=vm, instance=vmi, action=action or Nothing(), failure=failure, now=NOW, jitter=jitter)
    return machine_status(facts)


def condition(kind: str, value: str, reason: str = "") -> dict[str, str]:
    return {"type": kind, "status": value, "reason": reason, "lastTransitionTime": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("vm", "vmi", "action", "expected"),
    [
        (machine(deleted=True), instance(), Nothing(), "Terminating"),
        (machine(), instance(deleted=True), Nothing(), "Stopping"),
        (machine("Halted"), instance(), DeleteInstance(), "Stopping"),
        (machine(), instance(migrationState={"startTimestamp": "x"}), Nothing(), "Migrating"),
        (machine(), instance(migrationState={"startTimestamp": "x", "completed": True}), Nothing(), "Running"),
        (machine(), instance(conditions=[condition("Paused", "True")]), Nothing(), "Paused"),
        (machine(), instance(), Nothing(), "Running"),
        (
            machine(),
            instance("Pending", conditions=[condition("PodScheduled", "False", "Unschedulable")]),
            Nothing(),
            "ErrorUnschedulable",
        ),
        (
            machine(),
            instance("Scheduled", conditions=[condition("Synchronized", "False", "ErrImagePull")]),
            Nothing(),
            "ErrImagePull",
        ),
        (machine(), instance("Pending"), Nothing(), "Starting"),
        (machine(), instance("Scheduled"), Nothing(), "Starting"),
        (machine(), None, CreateInstance(), "Starting"),
        (machine(startFailure={"consecutiveFailCount": 1}), None, Wait(10), "CrashLoopBackOff"),
        (machine("Halted", startFailure={"consecutiveFailCount": 1}), None, Nothing(), "Stopped"),
        (machine("Halted"), None, Nothing(), "Stopped"),
        (machine("Once"), instance("Succeeded", phaseTransitionTimestamps=RAN), Nothing(), "Stopped"),
        (machine(), instance("Unknown"), Nothing(), "Unknown"),
    ],
)
def test_printable_status(vm: Any, vmi: Any, action: Action, expected: str) -> None:
    assert status(vm, vmi, action)["printableStatus"] == expected


JUST_NOW = {"creationTimestamp": "2026-01-01T12:00:00Z"}
LONG_AGO = {"creationTimestamp": "2026-01-01T11:59:00Z"}


@pytest.mark.parametrize(
    ("vm", "vmi", "made", "untold"),
    [
        (machine(), instance("Scheduled"), JUST_NOW, True),
        (machine(held=False), instance("Pending"), JUST_NOW, True),
        (machine(), instance("Scheduled"), LONG_AGO, False),
        (machine(), instance("Running"), JUST_NOW, False),
        (machine(), instance("Failed"), JUST_NOW, False),
        (machine(), instance("Scheduled", deleted=True), JUST_NOW, False),
        (machine(), instance("Pending", conditions=[condition("PodScheduled", "False")]), JUST_NOW, False),
        (machine(conditions=[condition("Failure", "True")]), instance("Pending"), JUST_NOW, False),
        (machine(stateChangeRequests=[{"action": "Start"}]), instance("Pending"), JUST_NOW, False),
        (machine("RerunOnFailure"), instance("Pending"), JUST_NOW, False),
        (machine("Manual"), instance("Pending"), JUST_NOW, False),
    ],
)
def test_only_that_a_guest_is_about_to_run_may_stay_untold_for_a_moment(
    vm: Any, vmi: Any, made: dict[str, str], *, untold: bool
) -> None:
    started = {**vmi, "metadata": {**vmi["metadata"], **made}}
    assert (seconds_untold(vm, started, Nothing(), NOW) > 0) == untold
    assert seconds_untold(vm, started, DeleteInstance(), NOW) == 0


def test_a_guest_that_never_ran_counts_once_and_delays_grow() -> None:
    first = status(machine(), instance("Failed"))["startFailure"]
    assert first == {
        "consecutiveFailCount": 1,
        "lastFailedVMIUID": "vmi-uid",
        "retryAfterTimestamp": "2026-01-01T12:00:10Z",
    }
    assert status(machine(startFailure=first), instance("Failed"))["startFailure"] == first
    other = {**first, "lastFailedVMIUID": "other", "consecutiveFailCount": 1}
    assert status(machine(startFailure=other), instance("Failed"), jitter=1)["startFailure"] == {
        "consecutiveFailCount": 2,
        "lastFailedVMIUID": "vmi-uid",
        "retryAfterTimestamp": "2026-01-01T12:01:00Z",
    }
    often = {**other, "consecutiveFailCount": 50}
    failed = status(machine(startFailure=often), instance("Failed"))["startFailure"]
    assert failed["retryAfterTimestamp"] == "2026-01-01T12:05:00Z"


def test_a_guest_that_ran_forgives_earlier_failures() -> None:
    failure = {"consecutiveFailCount": 3, "lastFailedVMIUID": "x", "retryAfterTimestamp": "2026-01-01T13:00:00Z"}
    assert "startFailure" not in status(machine(startFailure=failure), instance("Running"))
    assert "startFailure" not in status(machine(), instance("Failed", phaseTransitionTimestamps=RAN))
    assert "startFailure" not in status(machine("Manual", startFailure=failure), None)
    assert status(machine(startFailure=failure), None)["startFailure"] == failure


def test_conditions_mirror_the_instance_and_vanish_with_its_own() -> None:
    vmi = instance(conditions=[condition("Ready", "True"), condition("AgentConnected", "True")])
    with_agent = status(machine(), vmi)
    assert [(each["type"], each["status"]) for each in with_agent["conditions"]] == [
        ("AgentConnected", "True"),
        ("Ready", "True"),
    ]
    assert with_agent["ready"] is True
    later = status(machine(conditions=with_agent["conditions"]), instance())
    assert [(each["type"], each.get("reason")) for each in later["conditions"]] == [("Ready", "VMIConditionMissing")]


def test_a_failure_is_told_and_forgotten_after_success() -> None:
    failed = status(machine(), None, CreateInstance(), Failure("FailedCreate", "no room"))
    told = {each["type"]: each for each in failed["conditions"]}
    assert (told["Failure"]["reason"], told["Failure"]["message"]) == ("FailedCreate", "no room")
    assert told["Ready"]["reason"] == "VMINotExists"
    assert failed["printableStatus"] == "Stopped"
    assert [each["type"] for each in status(machine(conditions=failed["conditions"]), instance())["conditions"]] == [
        "Ready"
    ]


def test_generations_strategy_and_requests_are_recorded() -> None:
    new = status(machine("RerunOnFailure"), instance("Failed"), QueueStart())
    assert (new["desiredGeneration"], new["observedGeneration"]) == (2, 1)
    assert new["runStrategy"] == "RerunOnFailure"
    assert new["stateChangeRequests"] == [{"action": "Start"}]
    assert "runStrategy" not in status(machine("Manual"), None)
    assert "observedGeneration" not in status(machine("Manual"), None)


def test_a_status_that_is_right_stays_as_it_is() -> None:
    once = status(machine(), instance("Failed"))
    assert status(machine(**once), instance("Failed"), jitter=0.7) == once


def test_an_instance_is_the_template_with_an_owner_a_firmware_uuid_and_a_finalizer() -> None:
    vm = machine()
    vmi = build_instance(vm, paused=False)
    assert vmi["metadata"]["labels"] == {"app": "x"}
    assert vmi["metadata"]["annotations"] == {"note": "y", "kubevirt.io/vm-generation": "2"}
    assert vmi["metadata"]["finalizers"] == ["kubevirt.io/virtualMachineControllerFinalize"]
    (owner,) = vmi["metadata"]["ownerReferences"]
    assert (owner["uid"], owner["controller"], owner["blockOwnerDeletion"]) == ("vm-uid", True, True)
    # SHA-1 of KubeVirt's namespace and "default/vm", with the version and variant bits of RFC 9562 set by hand.
    assert vmi["spec"]["domain"]["firmware"]["uuid"] == "20fe741e-1e4d-5726-819d-3cc17fd5daad"
    assert "firmware" not in vm["spec"]["template"]["spec"]["domain"]
    assert build_instance(vm, paused=True)["spec"]["startStrategy"] == "Paused"


def test_a_firmware_uuid_that_is_given_is_kept() -> None:
    vm = machine()
    vm["spec"]["template"]["spec"]["domain"]["firmware"] = {"uuid": "mine"}
    assert build_instance(vm, paused=False)["spec"]["domain"]["firmware"] == {"uuid": "mine"}


def test_machines_of_one_name_in_two_namespaces_have_firmware_uuids_of_their_own() -> None:
    here, there = machine(), machine()
    there["metadata"]["namespace"] = "elsewhere"
    uuids = {build_instance(each, paused=False)["spec"]["domain"]["firmware"]["uuid"] for each in (here, there)}
    assert len(uuids) == 2
