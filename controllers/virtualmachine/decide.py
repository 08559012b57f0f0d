"""What to do next for a VirtualMachine: a pure function of the machine, its instance and the time.

Source: KubeVirt's run strategies and state change requests (``pkg/virt-controller/watch/vm``).
"""

from dataclasses import dataclass
from datetime import datetime

from kube.instances import INSTANCE_FINALIZER, MACHINE_FINALIZER, is_final, phase_of
from kube.metadata import ORPHAN_FINALIZER, has_finalizer, is_terminating
from kube.objects import Object
from kube.timestamps import from_time

START: Object = {"action": "Start"}


@dataclass(frozen=True, slots=True)
class Nothing:
    """All is as it should be."""


@dataclass(frozen=True, slots=True)
class CreateInstance:
    """Start the guest."""

    paused: bool = False


@dataclass(frozen=True, slots=True)
class DeleteInstance:
    """Stop the guest, or clear away one that ended."""


@dataclass(frozen=True, slots=True)
class QueueStart:
    """Note in the status that a start must follow, before the failed instance is deleted."""


@dataclass(frozen=True, slots=True)
class SetAlways:
    """A halted machine was asked to start: from now on it runs always."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Create the instance after ``seconds``: the last starts failed."""

    seconds: float


@dataclass(frozen=True, slots=True)
class HoldMachine:
    """Put our finalizer on the machine."""


@dataclass(frozen=True, slots=True)
class ReleaseMachine:
    """Take our finalizer off the machine: its instance is gone."""


@dataclass(frozen=True, slots=True)
class ReleaseInstance:
    """Take our finalizer off an instance whose end is recorded."""


Action = (
    Nothing
    | CreateInstance
    | DeleteInstance
    | QueueStart
    | SetAlways
    | Wait
    | HoldMachine
    | ReleaseMachine
    | ReleaseInstance
)


def run_strategy(machine: Object) -> str:
    """Return the run strategy; the deprecated ``running`` means Always or Halted."""
    spec = machine["spec"]
    return spec.get("runStrategy") or ("Always" if spec.get("running") else "Halted")


def decide(machine: Object, instance: Object | None, now: datetime) -> Action:
    """Return the one next step. ``instance`` is only ever one that this machine controls."""
    if instance is not None and is_terminating(instance):
        return _terminating(instance)
    if is_terminating(machine):
        if instance is not None and not has_finalizer(machine, ORPHAN_FINALIZER):
            return DeleteInstance()
        return ReleaseMachine() if has_finalizer(machine, MACHINE_FINALIZER) else Nothing()
    action = _absent(machine, now) if instance is None else _present(machine, instance)
    # The guest starts first; the instance's owner reference protects against losing it before the finalizer is on.
    if isinstance(action, Nothing) and not has_finalizer(machine, MACHINE_FINALIZER):
        return HoldMachine()
    return action


def pending_requests(machine: Object, instance: Object | None) -> list[Object]:
    """Return the state change requests without those that are fulfilled or can no longer be."""
    requests = list(machine.get("status", {}).get("stateChangeRequests", ()))
    while requests and _is_settled(requests[0], instance):
        del requests[0]
    return requests


def _is_settled(request: Object, instance: Object | None) -> bool:
    if request["action"] == "Stop":
        return instance is None or request.get("uid") != instance["metadata"]["uid"]
    return instance is not None and not is_final(instance) and not is_terminating(instance)


def _terminating(instance: Object) -> Action:
    ended = is_final(instance) or not has_finalizer(instance, INSTANCE_FINALIZER)
    return ReleaseInstance() if ended and has_finalizer(instance, MACHINE_FINALIZER) else Nothing()


def _absent(machine: Object, now: datetime) -> Action:
    requests = pending_requests(machine, None)
    started = requests[0] if requests and requests[0]["action"] == "Start" else None
    paused = started is not None and started.get("data", {}).get("paused") == "true"
    create = CreateInstance(paused=paused)
    match run_strategy(machine):
        case "Always":
            return _backed_off(machine, now) or create
        case "RerunOnFailure":
            unseen = machine.get("status", {}).get("runStrategy") != "RerunOnFailure"
            return _backed_off(machine, now) or create if started or unseen else Nothing()
        case "Manual":
            return create if started else Nothing()
        case "Once":
            return create
        case "Halted":
            return SetAlways() if started else Nothing()
        case _:
            return Nothing()


def _backed_off(machine: Object, now: datetime) -> Wait | None:
    retry = machine.get("status", {}).get("startFailure", {}).get("retryAfterTimestamp")
    left = (from_time(retry) - now).total_seconds() if retry else 0
    return Wait(left) if left > 0 else None


def _present(machine: Object, instance: Object) -> Action:
    requests = pending_requests(machine, instance)
    head = requests[0]["action"] if requests else ""
    if head == "Stop":
        return DeleteInstance()
    ended = is_final(instance)
    match run_strategy(machine):
        case "Halted":
            return DeleteInstance()
        case "Always" if ended:
            return DeleteInstance()
        case "RerunOnFailure" if ended:
            return QueueStart() if phase_of(instance) == "Failed" and head != "Start" else DeleteInstance()
        case "Manual" if ended and head == "Start":
            return DeleteInstance()
        case _:
            return Nothing()
