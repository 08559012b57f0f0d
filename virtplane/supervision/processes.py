"""Processes of this host, told apart for sure: a process id alone may by now be another's."""

import os
import select
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

START_TIME = 19
"""The index of ``starttime`` (22) in /proc/PID/stat, counted after the name; source: proc(5)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One process for good: its id, and when after which boot it began (in clock ticks)."""

    pid: int
    began: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return who has this id now; None if nobody has, or only somebody who has ended."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The name, in parentheses, may itself hold spaces and parentheses.
        state, *rest = stat.rpartition(")")[2].split()
        return None if state in "ZX" else cls(pid, int(rest[START_TIME - 1]), boot)

    @property
    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return Identity.of(self.pid) == self

    def end(self, seconds: float) -> None:
        """Ask this process to end, kill it if it has not after ``seconds``, and return when it is gone.

        Blocks. Does nothing when it has ended already. Raises PermissionError when it belongs to another user.
        """
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            # Looked at while its descriptor is held: from here on the id cannot pass to another process.
            if not self.is_alive:
                return
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            if not _ends_within(descriptor, seconds):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                _ends_within(descriptor, None)
        except ProcessLookupError:
            return
        finally:
            os.close(descriptor)


def virtplane(*arguments: str) -> list[str]:
    """Return the command that runs ``virtplane ARGUMENTS`` with this very installation."""
    # -P: what lies in the working directory is never taken for one of our modules.
    return [sys.executable, "-Pm", "virtplane", *arguments]


def bound_to_parent(command: list[str]) -> list[str]:
    """Return ``command`` such that the kernel asks it to end when the process that starts it dies."""
    return ["setpriv", "--pdeathsig", "TERM", "--", *command]


def _ends_within(descriptor: int, seconds: float | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))
