"""The status of an instance: pure functions of what was there and what was seen.

Source: KubeVirt's ``pkg/virt-handler/vm.go``: phases, conditions and their reasons.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kube import quantity
from kube.conditions import remove_condition, set_condition
from kube.metadata import is_terminating
from kube.objects import Object
from kube.timestamps import to_time
from nodeagent.domain.live import LiveDomain, LiveInterface
from nodeagent.hypervisor.state import Domain, Reason, State

GUEST_OS_FIELDS = {
    "id": "os.id",
    "name": "os.name",
    "version": "os.version",
    "versionId": "os.version-id",
    "prettyName": "os.pretty-name",
    "kernelRelease": "os.kernel-release",
    "kernelVersion": "os.kernel-version",
    "machine": "os.machine",
}
"""The fields of ``guestOSInfo``, and what libvirt calls them."""

EMULATED = {"reason": "KVMNotUsed", "message": "The guest runs without KVM, on emulated processors."}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a guest cannot start, for a condition and an Event."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of a running guest."""

    domain: Domain
    live: LiveDomain
    addresses: Mapping[str, "SeenAddresses"] = field(default_factory=dict[str, "SeenAddresses"])
    """By MAC address."""
    guest_os: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class SeenAddresses:
    """The addresses of one interface, and who told."""

    addresses: tuple[str, ...]
    source: str
    """As KubeVirt's ``infoSource``: ``domain`` for leases, ``domain, guest-agent`` for the agent."""
    device: str = ""
    """What the guest calls the interface, where its agent told."""


def running_status(instance: Object, seen: Seen, now: datetime) -> Object:
    """Return the status while the guest runs, or is paused."""
    status = _in_phase(instance, "Running", now)
    conditions = remove_condition(_conditions(instance), "Synchronized")
    conditions = set_condition(conditions, {"type": "Ready", "status": "True"}, now)
    conditions = _told(conditions, "AgentConnected", seen.live.agent_connected, {}, now)
    conditions = _told(conditions, "SoftwareEmulation", seen.live.emulated, EMULATED, now)
    conditions = _told(conditions, "Paused", seen.domain.state == State.PAUSED, _pause(seen.domain.reason), now)
    status["conditions"] = conditions
    status["interfaces"] = [_interface(each, seen.addresses.get(each.mac)) for each in seen.live.interfaces]
    status["volumeStatus"] = [{"name": each.name, "target": each.target} for each in seen.live.disks]
    status["machine"] = {"type": seen.live.machine}
    status["memory"] = _memory(status.get("memory"), seen.live.memory_bytes)
    status["currentCPUTopology"] = {
        "cores": seen.live.cores,
        "sockets": seen.live.sockets,
        "threads": seen.live.threads,
    }
    known = {name: seen.guest_os[key] for name, key in GUEST_OS_FIELDS.items() if seen.guest_os.get(key)}
    # What the agent once said of the system stays true while the guest runs, whether or not it answers now.
    status["guestOSInfo"] = known or status.get("guestOSInfo", {})
    return status


def ended_status(instance: Object, reason: Reason, now: datetime) -> Object:
    """Return the status of a guest that has ended for ``reason``."""
    status = _in_phase(instance, phase_after(instance, reason), now)
    conditions = _conditions(instance)
    for gone in ("AgentConnected", "Paused", "Synchronized"):
        conditions = remove_condition(conditions, gone)
    told = {"reason": "GuestNotRunning", "message": f"The guest is not running: {_end(reason)}."}
    status["conditions"] = set_condition(conditions, {"type": "Ready", "status": "False", **told}, now)
    return status


def phase_after(instance: Object, reason: Reason) -> str:
    """Return the final phase: Succeeded for a guest that shut down, or was switched off because it was to go."""
    if reason == Reason.SHUT_DOWN or (reason == Reason.DESTROYED and is_terminating(instance)):
        return "Succeeded"
    return "Failed"


def blocked_status(instance: Object, problem: Problem, now: datetime, *, final: bool) -> Object:
    """Return the status of a guest that cannot start: for now, or (``final``) as long as its spec is what it is."""
    status = _in_phase(instance, "Failed", now) if final else dict(instance.get("status", {}))
    told = {"status": "False", "reason": problem.reason, "message": problem.message}
    conditions = set_condition(_conditions(instance), {"type": "Synchronized", **told}, now)
    not_running = {"reason": "GuestNotRunning", "message": "The guest could not be started."}
    status["conditions"] = set_condition(conditions, {"type": "Ready", "status": "False", **not_running}, now)
    return status


def _in_phase(instance: Object, phase: str, now: datetime) -> Object:
    """Return a copy of the status in ``phase``, with the moment if it is new."""
    status: Object = dict(instance.get("status", {}))
    if status.get("phase") != phase:
        entered = {"phase": phase, "phaseTransitionTimestamp": to_time(now)}
        status["phase"] = phase
        status["phaseTransitionTimestamps"] = [*status.get("phaseTransitionTimestamps", ()), entered]
    return status


def _conditions(instance: Object) -> list[Object]:
    return list(instance.get("status", {}).get("conditions", ()))


def _told(conditions: Iterable[Object], kind: str, holds: bool, why: Object, now: datetime) -> list[Object]:  # noqa: FBT001 - the fact itself
    """Return the conditions with this one True, or without it."""
    if not holds:
        return remove_condition(conditions, kind)
    return set_condition(conditions, {"type": kind, "status": "True", **why}, now)


def _pause(reason: Reason) -> Object:
    if reason == Reason.PAUSED_IO_ERROR:
        return {"reason": "PausedIOError", "message": "VMI was paused: writing to or reading from a disk failed"}
    return {"reason": "PausedByUser", "message": "VMI was paused by user"}


def _end(reason: Reason) -> str:
    if reason == Reason.UNKNOWN:
        return "libvirt no longer knows it, as after a restart of the host"
    return f"it has {reason}" if reason == Reason.CRASHED else f"it was {reason}"


def _interface(live: LiveInterface, found: SeenAddresses | None) -> Object:
    told: Object = {"name": live.name, "mac": live.mac, "queueCount": 1, "linkState": live.link}
    if found is None:
        return {**told, "infoSource": "domain"}
    told["infoSource"] = found.source
    if found.device:
        told["interfaceName"] = found.device
    if found.addresses:
        told |= {"ipAddress": found.addresses[0], "ipAddresses": list(found.addresses)}
    return told


def _memory(before: Object | None, now_bytes: int) -> Object:
    current = quantity.format_bytes(now_bytes)
    at_boot = (before or {}).get("guestAtBoot", current)
    return {"guestAtBoot": at_boot, "guestCurrent": current, "guestRequested": current}
