"""What to do next about one instance: a pure function of the instance, its domain and the time.

Level-triggered: what is true of the guest is what libvirt says, however it came to be.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from kube.instances import INSTANCE_FINALIZER, is_final, phase_of
from kube.metadata import has_finalizer, is_terminating
from kube.objects import Object
from kube.timestamps import from_time
from nodeagent.hypervisor.state import Domain, Reason

DEFAULT_GRACE_SECONDS = 30
"""KubeVirt's default of ``terminationGracePeriodSeconds``."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """All is as it should be, or none of our business."""


@dataclass(frozen=True, slots=True)
class Start:
    """Prepare and start the guest."""


@dataclass(frozen=True, slots=True)
class Report:
    """Tell how the running guest is."""


@dataclass(frozen=True, slots=True)
class ReportEnd:
    """Tell that the guest has ended, and why."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class ShutDown:
    """Ask the guest to shut down; ``seconds`` are left until it is switched off."""

    seconds: float


@dataclass(frozen=True, slots=True)
class SwitchOff:
    """End the guest at once."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Forget a domain that has no instance any more; ``uid`` is the instance it was made for."""

    uid: str


@dataclass(frozen=True, slots=True)
class Release:
    """Nothing of the instance is left on this node: let the object go."""


@dataclass(frozen=True, slots=True)
class NameTaken:
    """A domain of somebody else's has the name that this instance's domain must have."""


Action = Nothing | Start | Report | ReportEnd | ShutDown | SwitchOff | Remove | Release | NameTaken


def decide(instance: Object | None, domain: Domain | None, owner: str, now: datetime) -> Action:
    """Return the next step.

    ``owner`` is what our domains carry as their node: domains of another owner are never touched. ``instance`` is
    None, or bound to this node.
    """
    ours = domain is not None and domain.identity is not None and domain.identity.node == owner
    uid = domain.identity.uid if domain is not None and domain.identity is not None else ""
    if instance is None:
        return Remove(uid) if ours else Nothing()
    if domain is not None and uid != instance["metadata"]["uid"]:
        # Of an earlier instance with this name, or nothing to do with us.
        if ours:
            return Remove(uid)
        if not is_terminating(instance):
            return Nothing() if is_final(instance) else NameTaken()
        domain = None
    if is_terminating(instance):
        return _ending(instance, domain, now)
    return _living(instance, domain)


def _ending(instance: Object, domain: Domain | None, now: datetime) -> Action:
    if domain is None:
        return Release() if has_finalizer(instance, INSTANCE_FINALIZER) else Nothing()
    if not domain.is_alive:
        return Remove(instance["metadata"]["uid"]) if is_final(instance) else ReportEnd(domain.reason)
    left = (_deadline(instance) - now).total_seconds()
    return ShutDown(left) if left > 0 else SwitchOff()


def _living(instance: Object, domain: Domain | None) -> Action:
    if is_final(instance):
        return Remove(instance["metadata"]["uid"]) if domain is not None else Nothing()
    started = phase_of(instance) == "Running"
    if domain is None:
        return ReportEnd(Reason.UNKNOWN) if started else Start()
    if domain.is_alive:
        return Report()
    if not started and domain.reason in (Reason.UNKNOWN, Reason.START_FAILED):
        # Defined and never started: whoever was about to start it was interrupted.
        return Remove(instance["metadata"]["uid"])
    return ReportEnd(domain.reason)


def _deadline(instance: Object) -> datetime:
    """Return when a guest whose instance is deleted is switched off."""
    grace = instance["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS)
    return from_time(instance["metadata"]["deletionTimestamp"]) + timedelta(seconds=grace)
