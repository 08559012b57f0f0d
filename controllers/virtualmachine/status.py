"""The status of a VirtualMachine: a pure function of the machine, its instance and what was just done.

Source: KubeVirt's ``pkg/virt-controller/watch/vm``, printable statuses and start failures.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from controllers.virtualmachine.decide import (
    START,
    Action,
    CreateInstance,
    DeleteInstance,
    HoldMachine,
    Nothing,
    QueueStart,
    pending_requests,
    run_strategy,
)
from controllers.virtualmachine.instance import GENERATION_ANNOTATION
from kube.conditions import get_condition, is_true, remove_condition, set_condition
from kube.instances import is_final, phase_of
from kube.metadata import is_terminating
from kube.objects import Object
from kube.timestamps import from_time, to_time

RESTARTING = ("Always", "RerunOnFailure", "Once")
"""The strategies under which failed starts are counted."""
NOT_MIRRORED = ("Ready", "Failure", "RestartRequired")
"""Conditions of the machine's own; all others are copies of its instance's."""
LONGEST_DELAY_SECONDS = 300
STARTING = ("", "Pending", "Scheduling", "Scheduled")
"""The phases of an instance before its guest runs."""
_KEEPING = (Nothing, CreateInstance, HoldMachine)
"""What is done while a guest starts."""
UNTOLD_SECONDS = 2.0
"""A guest that takes longer to start is told to be starting: to write that of each costs as much as that it runs."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What could not be done, as the condition ``Failure`` tells it."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a status follows from."""

    machine: Object
    instance: Object | None
    action: Action
    failure: Failure | None
    now: datetime
    jitter: float
    """Between 0 and 1: how much of half the start delay is added to it."""


def seconds_untold(machine: Object, instance: Object | None, action: Action, now: datetime) -> float:
    """Return how long the status may stay as it is while a guest starts: most run before anybody has looked.

    Only of machines that run always: what the other strategies do next, they decide by the status.
    """
    if instance is None or run_strategy(machine) != "Always" or not isinstance(action, _KEEPING):
        return 0
    old = machine.get("status", {})
    news = "stateChangeRequests" in old or "startFailure" in old or get_condition(old.get("conditions", ()), "Failure")
    blocked = any(each["status"] == "False" for each in _conditions(instance))
    if news or blocked or is_terminating(instance) or phase_of(instance) not in STARTING:
        return 0
    return UNTOLD_SECONDS - (now - from_time(instance["metadata"]["creationTimestamp"])).total_seconds()


def machine_status(facts: Facts) -> Object:
    """Return the whole status that the machine should have."""
    instance, old = facts.instance, facts.machine.get("status", {})
    status: Object = {name: value for name, value in old.items() if name not in ("startFailure", "stateChangeRequests")}
    status["created"] = instance is not None
    status["ready"] = instance is not None and is_true(_conditions(instance), "Ready")
    if instance is not None or "runStrategy" in old:
        status["runStrategy"] = run_strategy(facts.machine)
    if requests := _requests(facts):
        status["stateChangeRequests"] = requests
    if failure := start_failure(facts):
        status["startFailure"] = failure
    status["conditions"] = machine_conditions(facts)
    status |= _generations(facts)
    status["printableStatus"] = printable_status(facts, status)
    return status


def _requests(facts: Facts) -> list[Object]:
    requests = pending_requests(facts.machine, facts.instance)
    return [START, *requests] if isinstance(facts.action, QueueStart) else requests


def _generations(facts: Facts) -> Object:
    generations: Object = {"desiredGeneration": facts.machine["metadata"]["generation"]}
    if facts.instance is not None:
        observed = facts.instance["metadata"].get("annotations", {}).get(GENERATION_ANNOTATION)
        generations |= {"observedGeneration": int(observed)} if observed and observed.isdecimal() else {}
    return generations


def start_failure(facts: Facts) -> Object | None:
    """Return ``status.startFailure``: how often in a row the guest ended before it ran, and when to try again."""
    old = facts.machine.get("status", {}).get("startFailure")
    if run_strategy(facts.machine) not in RESTARTING:
        return None
    if facts.instance is None:
        return old
    if _ever_ran(facts.instance):
        return None
    uid = facts.instance["metadata"]["uid"]
    if not is_final(facts.instance) or (old or {}).get("lastFailedVMIUID") == uid:
        return old
    count = (old or {}).get("consecutiveFailCount", 0) + 1
    delay = min(10 * count**2 * (1 + facts.jitter / 2), LONGEST_DELAY_SECONDS)
    retry = to_time(facts.now + timedelta(seconds=delay))
    return {"consecutiveFailCount": count, "lastFailedVMIUID": uid, "retryAfterTimestamp": retry}


def _ever_ran(instance: Object) -> bool:
    transitions = instance.get("status", {}).get("phaseTransitionTimestamps", ())
    return phase_of(instance) == "Running" or any(each["phase"] == "Running" for each in transitions)


def machine_conditions(facts: Facts) -> list[Object]:
    """Return the conditions: Ready, Failure, and copies of the instance's."""
    conditions: list[Object] = list(facts.machine.get("status", {}).get("conditions", ()))
    if facts.instance is not None:
        told = [each for each in _conditions(facts.instance) if each["type"] not in NOT_MIRRORED]
        kept = {each["type"] for each in told} | set(NOT_MIRRORED)
        conditions = [each for each in conditions if each["type"] in kept]
        for each in told:
            # A copy keeps the times of the original.
            conditions = [*remove_condition(conditions, each["type"]), each]
    if isinstance(facts.action, CreateInstance | DeleteInstance):
        conditions = remove_condition(conditions, "RestartRequired")
    conditions = set_condition(conditions, _ready(facts.instance), facts.now)
    if facts.failure is None:
        conditions = remove_condition(conditions, "Failure")
    else:
        told = {"reason": facts.failure.reason, "message": facts.failure.message}
        conditions = set_condition(conditions, {"type": "Failure", "status": "True", **told}, facts.now)
    return sorted(conditions, key=lambda each: each["type"])


def _ready(instance: Object | None) -> Object:
    if instance is None:
        return {"type": "Ready", "status": "False", "reason": "VMINotExists", "message": "VMI does not exist"}
    ready = get_condition(_conditions(instance), "Ready")
    if ready is None:
        message = "VMI is missing the Ready condition"
        return {"type": "Ready", "status": "False", "reason": "VMIConditionMissing", "message": message}
    return {name: ready[name] for name in ("type", "status", "reason", "message") if name in ready}


def printable_status(facts: Facts, status: Object) -> str:
    """Return the first printable status that applies. ``status`` is the new one, but for this field."""
    return next((name for name, applies in PRINTABLE if applies(facts, status)), "Unknown")


def _conditions(instance: Object) -> Iterable[Object]:
    return instance.get("status", {}).get("conditions", ())


def _stopping(facts: Facts, _: Object) -> bool:
    instance = facts.instance
    if instance is None or is_final(instance):
        return False
    return is_terminating(instance) or (isinstance(facts.action, DeleteInstance) and facts.failure is None)


def _migrating(facts: Facts, _: Object) -> bool:
    migration = (facts.instance or {}).get("status", {}).get("migrationState") or {}
    return bool(migration.get("startTimestamp")) and not (migration.get("completed") or migration.get("failed"))


def _paused(facts: Facts, _: Object) -> bool:
    return _running(facts, _) and is_true(_conditions(facts.instance or {}), "Paused")


def _running(facts: Facts, _: Object) -> bool:
    return facts.instance is not None and phase_of(facts.instance) == "Running"


def _has_false(kind: str, reason: str) -> Callable[[Facts, Object], bool]:
    def applies(facts: Facts, _: Object) -> bool:
        found = get_condition(_conditions(facts.instance or {}), kind)
        return found is not None and found["status"] == "False" and found.get("reason") == reason

    return applies


def _starting(facts: Facts, _: Object) -> bool:
    if facts.instance is None:
        return isinstance(facts.action, CreateInstance) and facts.failure is None
    return phase_of(facts.instance) in STARTING


def _crash_looping(facts: Facts, status: Object) -> bool:
    ended = facts.instance is None or is_final(facts.instance)
    return "startFailure" in status and run_strategy(facts.machine) in RESTARTING and ended


def _stopped(facts: Facts, _: Object) -> bool:
    return facts.instance is None or is_final(facts.instance)


PRINTABLE: tuple[tuple[str, Callable[[Facts, Object], bool]], ...] = (
    ("Terminating", lambda facts, _: is_terminating(facts.machine)),
    ("Stopping", _stopping),
    ("Migrating", _migrating),
    ("Paused", _paused),
    ("Running", _running),
    ("ErrorPvcNotFound", _has_false("Synchronized", "FailedPvcNotFound")),
    ("ErrorUnschedulable", _has_false("PodScheduled", "Unschedulable")),
    ("ErrImagePull", _has_false("Synchronized", "ErrImagePull")),
    ("ImagePullBackOff", _has_false("Synchronized", "ImagePullBackOff")),
    ("Starting", _starting),
    ("CrashLoopBackOff", _crash_looping),
    ("Stopped", _stopped),
)
"""First match wins; the order is KubeVirt's."""
