"""What ``virtplane up`` notes about what it runs, for ``status``, ``down`` and the next ``up``.

A lock says whether it runs: the kernel drops it however the process ends, so no stale file is ever believed.
"""

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self, TypeVar

import orjson

from certs.files import replace_file
from virtplane.errors import VirtplaneError
from virtplane.home import Home
from virtplane.supervision.processes import Identity

T = TypeVar("T", "State", "ProcessState")

LOCK_SECONDS = 1.0
"""How long to try: somebody who only looks whether the lock is taken holds it for a moment."""
BEGINNING_SECONDS = 60.0
"""How long an ``up`` may take to note that it runs: it first ends what one before it has left behind."""
POLL_SECONDS = 0.05


class AlreadyRunningError(VirtplaneError):
    """Another process holds this directory, or this part in it."""


class UnknownError(VirtplaneError):
    """Something runs, and nothing is known about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessState:
    """One process that is kept running."""

    name: str
    identity: Identity | None
    """None while there is none."""
    since: str = ""
    """RFC 3339."""
    restarts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything that runs. What another version noted is read as far as this one knows it."""

    supervisor: Identity
    since: str = ""
    ready: bool = False
    server: str = ""
    node: str = ""
    libvirt_uri: str = ""
    processes: tuple[ProcessState, ...] = ()

    def write(self, home: Home) -> None:
        """Write the state. Raises OSError."""
        replace_file(home.state, orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2), 0o600)

    @classmethod
    def read(cls, home: Home) -> Self | None:
        """Return what was written last; None if nothing (that this version understands) was."""
        try:
            content = orjson.loads(home.state.read_bytes())
            supervisor = Identity(**content.pop("supervisor"))
            processes = tuple(_known(ProcessState, {**each, **_identity(each)}) for each in content.pop("processes"))
            return _known(cls, {**content, "supervisor": supervisor, "processes": processes})
        except (FileNotFoundError, orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            return None


def locked(home: Home) -> AbstractContextManager[None]:
    """Hold the directory's lock. Raises AlreadyRunningError."""
    return alone(home.lock, f"Virtplane runs already in {home.directory}")


@contextmanager
def alone(lock: Path, taken: str) -> Generator[None]:
    """Hold the lock that is a file. Raises AlreadyRunningError, saying ``taken``, when another process holds it."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise AlreadyRunningError(taken)
            time.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def is_locked(home: Home) -> bool:
    """Whether a ``virtplane up`` holds the directory."""
    try:
        descriptor = os.open(home.lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


def running(home: Home) -> State | None:
    """Return what runs; None if nothing does. Blocks for a moment while an ``up`` is just beginning.

    Raises UnknownError when something runs that does not tell what.
    """
    deadline = time.monotonic() + BEGINNING_SECONDS
    while is_locked(home):
        state = State.read(home)
        if state is not None and state.supervisor.is_alive:
            return state
        if time.monotonic() > deadline:
            raise UnknownError(f"a process holds {home.lock} and does not tell what it runs: see {home.log_of('up')}")
        time.sleep(POLL_SECONDS)
    return None


def end_leftovers(home: Home, seconds: float) -> None:
    """End what an ``up`` that was killed has left behind. Only for whoever holds the lock. Blocks."""
    state = State.read(home)
    for process in reversed(state.processes if state else ()):
        if process.identity is not None:
            process.identity.end(seconds)
    home.state.unlink(missing_ok=True)


def _known(kind: type[T], values: dict[str, Any]) -> T:
    names = {each.name for each in fields(kind)}
    return kind(**{name: value for name, value in values.items() if name in names})


def _identity(process: dict[str, Any]) -> dict[str, Any]:
    noted = process["identity"]
    return {"identity": None if noted is None else Identity(**noted)}


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
