"""The state of a domain, in the few words that matter to an instance.

Source: https://libvirt.org/html/libvirt-libvirt-domain.html, virDomainState and its reasons.
"""

from dataclasses import dataclass
from enum import StrEnum

import libvirt

from nodeagent.domain.identity import Identity


class State(StrEnum):
    """What a domain does."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


class Reason(StrEnum):
    """Why it is paused or stopped, where that makes a difference."""

    NONE = ""
    PAUSED_BY_USER = "paused by user"
    PAUSED_IO_ERROR = "paused after an I/O error"
    SHUT_DOWN = "shut down"
    """By the guest itself, or because it was asked to."""
    DESTROYED = "destroyed"
    CRASHED = "crashed"
    START_FAILED = "start failed"
    UNKNOWN = "unknown"
    """It never ran since it was defined or since libvirt was started."""


@dataclass(frozen=True, slots=True)
class Domain:
    """One domain as libvirt told it a moment ago."""

    name: str
    identity: Identity | None
    """None for a domain that is none of ours."""
    state: State
    reason: Reason = Reason.NONE

    @property
    def is_alive(self) -> bool:
        """True while there is a QEMU process."""
        return self.state != State.STOPPED


_PAUSED = {
    libvirt.VIR_DOMAIN_PAUSED_USER: Reason.PAUSED_BY_USER,
    libvirt.VIR_DOMAIN_PAUSED_IOERROR: Reason.PAUSED_IO_ERROR,
}
_STOPPED = {
    libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN: Reason.SHUT_DOWN,
    libvirt.VIR_DOMAIN_SHUTOFF_SAVED: Reason.SHUT_DOWN,
    libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED: Reason.DESTROYED,
    libvirt.VIR_DOMAIN_SHUTOFF_CRASHED: Reason.CRASHED,
    libvirt.VIR_DOMAIN_SHUTOFF_FAILED: Reason.START_FAILED,
}


def state_of(code: int, reason: int) -> tuple[State, Reason]:
    """Return the state for what ``virDomain.state`` returned."""
    match code:
        case libvirt.VIR_DOMAIN_SHUTOFF:
            return State.STOPPED, _STOPPED.get(reason, Reason.UNKNOWN)
        case libvirt.VIR_DOMAIN_CRASHED:
            return State.STOPPED, Reason.CRASHED
        case libvirt.VIR_DOMAIN_PAUSED if reason in _PAUSED:
            return State.PAUSED, _PAUSED[reason]
        case _:
            # Also while it starts, is saved or migrates, when libvirt calls it paused for a moment.
            return State.RUNNING, Reason.NONE
