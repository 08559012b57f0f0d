"""The status tells phase, conditions and what was seen, and changes only where something changed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from kube.conditions import get_condition
from nodeagent.domain.live import LiveDisk, LiveDomain, LiveInterface
from nodeagent.hypervisor.state import Reason, State
from nodeagent.instance.status import (
    Problem,
    Seen,
    SeenAddresses,
    blocked_status,
    ended_status,
    phase_after,
    running_status,
)

Make = Callable[..., Any]
MAC = "02:00:00:00:00:01"
LIVE = LiveDomain(
    emulated=False,
    machine="pc-q35-7.2",
    memory_bytes=128 * 2**20,
    sockets=1,
    cores=2,
    threads=1,
    interfaces=(LiveInterface("default", MAC, "vnet0", "network", "up"),),
    disks=(LiveDisk("root", "vda"),),
    agent_connected=False,
    console="",
    screen="",
)


def condition(status: dict[str, Any], kind: str) -> dict[str, Any] | None:
    return get_condition(status["conditions"], kind)


def test_a_running_guest_is_told_in_full(instance: Make, domain: Make, now: datetime) -> None:
    seen = Seen(domain=domain(), live=LIVE, addresses={MAC: SeenAddresses(("10.0.64.2",), "domain")})
    status = running_status(instance(), seen, now)
    assert status["phase"] == "Running"
    assert status["nodeName"] == "n1"
    assert status["phaseTransitionTimestamps"] == [
        {"phase": "Running", "phaseTransitionTimestamp": "2026-01-01T12:00:00Z"}
    ]
    assert status["interfaces"] == [
        {
            "name": "default",
            "mac": MAC,
            "queueCount": 1,
            "linkState": "up",
            "infoSource": "domain",
            "ipAddress": "10.0.64.2",
            "ipAddresses": ["10.0.64.2"],
        }
    ]
    assert status["volumeStatus"] == [{"name": "root", "target": "vda"}]
    assert status["memory"] == {"guestAtBoot": "128Mi", "guestCurrent": "128Mi", "guestRequested": "128Mi"}
    assert status["currentCPUTopology"] == {"sockets": 1, "cores": 2, "threads": 1}
    assert status["machine"] == {"type": "pc-q35-7.2"}
    assert condition(status, "Ready") == {
        "type": "Ready",
        "status": "True",
        "lastTransitionTime": "2026-01-01T12:00:00Z",
    }


def test_looking_again_at_the_same_guest_changes_nothing(instance: Make, domain: Make, now: datetime) -> None:
    seen = Seen(domain=domain(), live=replace(LIVE, agent_connected=True, emulated=True))
    once = running_status(instance(), seen, now)
    again = running_status({**instance(), "status": once}, seen, now + timedelta(hours=1))
    assert again == once


def test_what_the_agent_tells_outlasts_the_agent(instance: Make, domain: Make, now: datetime) -> None:
    connected = Seen(domain=domain(), live=replace(LIVE, agent_connected=True), guest_os={"os.id": "debian"})
    first = running_status(instance(), connected, now)
    assert condition(first, "AgentConnected") is not None
    then = running_status({**instance(), "status": first}, Seen(domain=domain(), live=LIVE), now)
    assert condition(then, "AgentConnected") is None
    assert then["guestOSInfo"] == {"id": "debian"}


@pytest.mark.parametrize(
    ("reason", "told"), [(Reason.PAUSED_BY_USER, "PausedByUser"), (Reason.PAUSED_IO_ERROR, "PausedIOError")]
)
def test_a_paused_guest_runs_and_says_why_it_does_not_move(
    instance: Make, domain: Make, now: datetime, reason: Reason, told: str
) -> None:
    paused = running_status(instance(), Seen(domain=domain(State.PAUSED, reason), live=LIVE), now)
    found = condition(paused, "Paused")
    assert found is not None
    assert (paused["phase"], found["reason"]) == ("Running", told)
    resumed = running_status({**instance(), "status": paused}, Seen(domain=domain(), live=LIVE), now)
    assert condition(resumed, "Paused") is None


def test_an_emulated_guest_says_so(instance: Make, domain: Make, now: datetime) -> None:
    status = running_status(instance(), Seen(domain=domain(), live=replace(LIVE, emulated=True)), now)
    assert condition(status, "SoftwareEmulation") is not None


@pytest.mark.parametrize(
    ("reason", "deleted", "phase"),
    [
        (Reason.SHUT_DOWN, False, "Succeeded"),
        (Reason.DESTROYED, False, "Failed"),
        (Reason.DESTROYED, True, "Succeeded"),
        (Reason.CRASHED, False, "Failed"),
        (Reason.CRASHED, True, "Failed"),
        (Reason.UNKNOWN, False, "Failed"),
    ],
)
def test_how_a_guest_ended_decides_its_final_phase(
    instance: Make, now: datetime, reason: Reason, phase: str, *, deleted: bool
) -> None:
    gone = instance("Running", deleted="2026-01-01T11:59:50Z" if deleted else None)
    assert phase_after(gone, reason) == phase
    status = ended_status(gone, reason, now)
    ready = condition(status, "Ready")
    assert status["phase"] == phase
    assert ready is not None
    assert (ready["status"], ready["reason"]) == ("False", "GuestNotRunning")


def test_an_end_takes_back_what_only_a_running_guest_has(instance: Make, domain: Make, now: datetime) -> None:
    ran = running_status(instance(), Seen(domain=domain(), live=replace(LIVE, agent_connected=True)), now)
    ended = ended_status({**instance("Running"), "status": ran}, Reason.CRASHED, now)
    assert condition(ended, "AgentConnected") is None


@pytest.mark.parametrize(("final", "phase"), [(True, "Failed"), (False, "Scheduled")])
def test_what_hinders_a_start_is_told_until_it_is_gone(
    instance: Make, domain: Make, now: datetime, phase: str, *, final: bool
) -> None:
    status = blocked_status(instance(), Problem("ErrImagePull", "no such image"), now, final=final)
    told = condition(status, "Synchronized")
    assert status["phase"] == phase
    assert told is not None
    assert (told["status"], told["reason"], told["message"]) == ("False", "ErrImagePull", "no such image")
    started = running_status({**instance(), "status": status}, Seen(domain=domain(), live=LIVE), now)
    assert condition(started, "Synchronized") is None
