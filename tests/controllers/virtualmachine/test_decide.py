from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.virtualmachine.decide import (
    CreateInstance,
    DeleteInstance,
    HoldMachine,
    Nothing,
    QueueStart,
    ReleaseInstance,
    ReleaseMachine,
    SetAlways,
    Wait,
    decide,
    pending_requests,
    run_strategy,
)
from kube.instances import MACHINE_FINALIZER
from kube.metadata import ORPHAN_FINALIZER
from tests.controllers.objects import NOW, instance, machine

STRATEGIES = ("Always", "Halted", "Manual", "RerunOnFailure", "Once")
LIVE = ("", "Pending", "Scheduling", "Scheduled", "Running", "Unknown")
START = {"action": "Start"}
STOP = {"action": "Stop", "uid": "vmi-uid"}
OLD_STOP = {"action": "Stop", "uid": "another"}
NO, DELETE, CREATE = Nothing(), DeleteInstance(), CreateInstance()


@pytest.mark.parametrize("phase", LIVE)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_live_guest_is_stopped_only_when_halted_or_asked(strategy: str, phase: str) -> None:
    assert decide(machine(strategy), instance(phase), NOW) == (DELETE if strategy == "Halted" else NO)
    assert decide(machine(strategy, stateChangeRequests=[STOP]), instance(phase), NOW) == DELETE
    stale = machine(strategy, stateChangeRequests=[OLD_STOP])
    assert decide(stale, instance(phase), NOW) == (DELETE if strategy == "Halted" else NO)


@pytest.mark.parametrize(
    ("strategy", "succeeded", "failed"),
    [
        ("Always", DELETE, DELETE),
        ("Halted", DELETE, DELETE),
        ("Manual", NO, NO),
        ("RerunOnFailure", DELETE, QueueStart()),
        ("Once", NO, NO),
    ],
)
def test_what_follows_a_guest_that_ended(strategy: str, succeeded: Any, failed: Any) -> None:
    assert decide(machine(strategy), instance("Succeeded"), NOW) == succeeded
    assert decide(machine(strategy), instance("Failed"), NOW) == failed


@pytest.mark.parametrize(
    ("strategy", "alone", "asked"),
    [
        ("Always", CREATE, CREATE),
        ("Halted", NO, SetAlways()),
        ("Manual", NO, CREATE),
        ("RerunOnFailure", NO, CREATE),
        ("Once", CREATE, CREATE),
    ],
)
def test_when_a_guest_is_started(strategy: str, alone: Any, asked: Any) -> None:
    assert decide(machine(strategy, runStrategy=strategy), None, NOW) == alone
    assert decide(machine(strategy, runStrategy=strategy, stateChangeRequests=[START]), None, NOW) == asked
    restart = [STOP, START]
    assert decide(machine(strategy, runStrategy=strategy, stateChangeRequests=restart), None, NOW) == asked


def test_rerun_on_failure_starts_the_first_time_it_is_seen() -> None:
    assert decide(machine("RerunOnFailure"), None, NOW) == CREATE
    assert decide(machine("RerunOnFailure", runStrategy="Halted"), None, NOW) == CREATE


def test_a_failed_guest_with_its_rerun_noted_is_deleted() -> None:
    noted = machine("RerunOnFailure", stateChangeRequests=[START])
    assert decide(noted, instance("Failed"), NOW) == DELETE


def test_a_manual_guest_that_ended_makes_room_when_a_start_is_asked_for() -> None:
    assert decide(machine("Manual", stateChangeRequests=[START]), instance("Succeeded"), NOW) == DELETE


def test_a_start_may_ask_for_a_paused_guest() -> None:
    paused = machine("Manual", stateChangeRequests=[{"action": "Start", "data": {"paused": "true"}}])
    assert decide(paused, None, NOW) == CreateInstance(paused=True)


@pytest.mark.parametrize(
    ("strategy", "expected"), [("Always", Wait(30)), ("RerunOnFailure", Wait(30)), ("Once", CREATE)]
)
def test_failed_starts_hold_the_next_one_back(strategy: str, expected: Any) -> None:
    failed = machine(strategy, startFailure={"retryAfterTimestamp": "2026-01-01T12:00:30Z"})
    assert decide(failed, None, NOW) == expected
    over = machine(strategy, startFailure={"retryAfterTimestamp": "2026-01-01T11:59:59Z"})
    assert decide(over, None, NOW) == CREATE


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_deleted_machine_stops_its_guest_and_then_goes(strategy: str) -> None:
    going = machine(strategy, deleted=True)
    assert decide(going, instance(), NOW) == DELETE
    assert decide(going, instance(deleted=True), NOW) == NO
    assert decide(going, instance("Succeeded", deleted=True), NOW) == ReleaseInstance()
    assert decide(going, None, NOW) == ReleaseMachine()
    assert decide(machine(strategy, deleted=True, held=False), None, NOW) == NO


def test_a_machine_that_orphans_its_guest_goes_without_stopping_it() -> None:
    deleted = machine("Always")
    deleted["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    deleted["metadata"]["finalizers"] = [MACHINE_FINALIZER, ORPHAN_FINALIZER]
    assert decide(deleted, instance("Running"), NOW) == ReleaseMachine()
    deleted["metadata"]["finalizers"] = [ORPHAN_FINALIZER]
    assert decide(deleted, instance("Running"), NOW) == NO


def test_an_instance_that_no_agent_holds_is_released_in_any_phase() -> None:
    assert decide(machine(), instance("Pending", deleted=True, agent_holds=False), NOW) == ReleaseInstance()


def test_the_finalizer_is_put_on_but_never_delays_a_start() -> None:
    assert decide(machine(held=False), None, NOW) == CREATE
    assert decide(machine(held=False), instance(), NOW) == HoldMachine()


def test_running_is_another_word_for_a_run_strategy() -> None:
    assert [run_strategy({"spec": {"running": value}}) for value in (True, False)] == ["Always", "Halted"]


requests = st.lists(st.sampled_from([START, STOP, OLD_STOP]), max_size=3)
phases = st.sampled_from([*LIVE, "Succeeded", "Failed"])


@given(requests, st.none() | phases)
def test_only_fulfilled_requests_are_dropped_and_only_from_the_head(
    asked: list[dict[str, Any]], phase: str | None
) -> None:
    there = None if phase is None else instance(phase)
    left = pending_requests(machine(stateChangeRequests=asked), there)
    assert left == asked[len(asked) - len(left) :]
    assert pending_requests(machine(stateChangeRequests=left), there) == left


@given(st.sampled_from(STRATEGIES), requests, phases, st.booleans(), st.booleans())
def test_no_second_instance_is_ever_created_and_a_leaving_one_is_never_deleted_again(
    strategy: str, asked: list[dict[str, Any]], phase: str, deleted: bool, leaving: bool
) -> None:
    action = decide(
        machine(strategy, deleted=deleted, stateChangeRequests=asked), instance(phase, deleted=leaving), NOW
    )
    assert not isinstance(action, CreateInstance | SetAlways | Wait | ReleaseMachine)
    assert not (leaving and isinstance(action, DeleteInstance))
