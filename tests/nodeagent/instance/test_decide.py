"""The next step follows from the instance, its domain and the time, and from nothing else."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from nodeagent.hypervisor.state import Domain, Reason, State
from nodeagent.instance.decide import (
    Action,
    NameTaken,
    Nothing,
    Release,
    Remove,
    Report,
    ReportEnd,
    ShutDown,
    Start,
    SwitchOff,
    decide,
)

OWNER, UID = "node-uid", "vmi-uid"
Make = Callable[..., Any]
STOPPED = State.STOPPED


@pytest.mark.parametrize("phase", ["Scheduled", "Scheduling", "Pending", ""])
def test_an_instance_that_never_ran_is_started(instance: Make, now: datetime, phase: str) -> None:
    assert decide(instance(phase), None, OWNER, now) == Start()


@pytest.mark.parametrize("phase", ["Scheduled", "Running"])
@pytest.mark.parametrize("state", [State.RUNNING, State.PAUSED])
def test_a_guest_that_lives_is_adopted_whoever_started_it(
    instance: Make, domain: Make, now: datetime, phase: str, state: State
) -> None:
    assert decide(instance(phase), domain(state), OWNER, now) == Report()


@pytest.mark.parametrize("reason", [Reason.SHUT_DOWN, Reason.CRASHED, Reason.DESTROYED, Reason.UNKNOWN])
def test_the_end_of_a_guest_is_told_with_its_reason(
    instance: Make, domain: Make, now: datetime, reason: Reason
) -> None:
    assert decide(instance("Running"), domain(STOPPED, reason), OWNER, now) == ReportEnd(reason)


def test_a_guest_that_ended_before_anybody_saw_it_run_is_not_started_again(
    instance: Make, domain: Make, now: datetime
) -> None:
    ended = domain(STOPPED, Reason.CRASHED)
    assert decide(instance("Scheduled"), ended, OWNER, now) == ReportEnd(Reason.CRASHED)


def test_a_running_guest_that_libvirt_forgot_has_ended(instance: Make, now: datetime) -> None:
    assert decide(instance("Running"), None, OWNER, now) == ReportEnd(Reason.UNKNOWN)


@pytest.mark.parametrize("reason", [Reason.UNKNOWN, Reason.START_FAILED])
def test_a_definition_that_an_interrupted_start_left_is_removed_and_started_anew(
    instance: Make, domain: Make, now: datetime, reason: Reason
) -> None:
    assert decide(instance("Scheduled"), domain(STOPPED, reason), OWNER, now) == Remove(UID)


@pytest.mark.parametrize(("domain_is_there", "action"), [(True, Remove(UID)), (False, Nothing())])
@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_nothing_stays_of_a_guest_whose_end_was_told(
    instance: Make, domain: Make, now: datetime, phase: str, *, domain_is_there: bool, action: Action
) -> None:
    left = domain(STOPPED, Reason.SHUT_DOWN) if domain_is_there else None
    assert decide(instance(phase), left, OWNER, now) == action


@pytest.mark.parametrize(
    ("spec", "deleted", "action"),
    [
        ({}, "2026-01-01T11:59:50Z", ShutDown(20.0)),
        ({}, "2026-01-01T11:59:30Z", SwitchOff()),
        ({"terminationGracePeriodSeconds": 600}, "2026-01-01T11:59:00Z", ShutDown(540.0)),
        ({"terminationGracePeriodSeconds": 0}, "2026-01-01T12:00:00Z", SwitchOff()),
    ],
)
def test_a_deleted_guest_is_asked_until_its_grace_is_over(
    instance: Make, domain: Make, now: datetime, spec: dict[str, Any], deleted: str, action: Action
) -> None:
    assert decide(instance("Running", deleted=deleted, **spec), domain(), OWNER, now) == action


def test_a_deleted_guest_that_has_ended_is_told_removed_and_released(
    instance: Make, domain: Make, now: datetime
) -> None:
    deleted = "2026-01-01T11:59:50Z"
    ended = domain(STOPPED, Reason.SHUT_DOWN)
    assert decide(instance("Running", deleted=deleted), ended, OWNER, now) == ReportEnd(Reason.SHUT_DOWN)
    assert decide(instance("Succeeded", deleted=deleted), ended, OWNER, now) == Remove(UID)
    assert decide(instance("Succeeded", deleted=deleted), None, OWNER, now) == Release()


def test_a_released_instance_that_others_hold_is_left_alone(instance: Make, now: datetime) -> None:
    released = instance("Succeeded", deleted="2026-01-01T11:59:50Z")
    released["metadata"]["finalizers"] = ["example.com/backup"]
    assert decide(released, None, OWNER, now) == Nothing()


def test_a_domain_without_an_instance_is_removed(domain: Make, now: datetime) -> None:
    assert decide(None, domain(), OWNER, now) == Remove(UID)


def test_the_domain_of_an_earlier_instance_goes_first(instance: Make, domain: Make, now: datetime) -> None:
    assert decide(instance(), domain(uid="earlier"), OWNER, now) == Remove("earlier")


@pytest.mark.parametrize("stranger", ["another owner", "nobody"])
def test_a_domain_of_somebody_else_is_never_touched(instance: Make, domain: Make, now: datetime, stranger: str) -> None:
    theirs = (
        domain(uid="theirs", owner="another") if stranger == "another owner" else Domain("default_web", None, STOPPED)
    )
    assert decide(None, theirs, OWNER, now) == Nothing()
    assert decide(instance(), theirs, OWNER, now) == NameTaken()
    assert decide(instance("Failed"), theirs, OWNER, now) == Nothing()
    assert decide(instance(deleted="2026-01-01T11:59:50Z"), theirs, OWNER, now) == Release()


def test_a_guest_of_ours_is_adopted_even_when_its_node_was_registered_anew(
    instance: Make, domain: Make, now: datetime
) -> None:
    assert decide(instance("Running"), domain(owner="earlier registration"), OWNER, now) == Report()
