"""The process behind ``virtplane up``: prepares the installation, then keeps its processes running until a signal."""

import asyncio
import contextlib
import dataclasses
import errno
import os
import signal
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import structlog

from virtplane import hypervisor, logs
from virtplane.errors import VirtplaneError
from virtplane.home import Home, server_url
from virtplane.prepare import prepare
from virtplane.roles import ROLES
from virtplane.settings import Settings
from virtplane.state import AlreadyRunningError, ProcessState, State, end_leftovers, locked
from virtplane.supervision.child import Program, StartError
from virtplane.supervision.logfiles import last_lines, shorten, size
from virtplane.supervision.processes import Identity, virtplane
from virtplane.supervision.supervisor import Keeper, Supervisor
from virtplane.up import next_steps

log = structlog.get_logger(__name__)

LEFTOVER_SECONDS = 15
STOP_SECONDS = 15
SHORTEN_EVERY_SECONDS = 60
NOTE_AGAIN_SECONDS = 1.0


class UpError(VirtplaneError):
    """It cannot run as things are; the message says what to do."""


def run(settings: Settings, *, detached: bool, roles: Sequence[str] = tuple(ROLES)) -> int:
    """Run ``roles``, and a libvirtd where one is needed, until SIGTERM, SIGINT or SIGHUP; return the exit code.

    Tells on standard output what it does. When ``detached`` it closes that once all is ready, and what it runs logs
    to files.
    """
    logs.configure("up", level=settings.log_level, style=settings.log_format)
    home = Home.of(settings)
    try:
        home.make()
        with locked(home):
            asyncio.run(_Installation(settings, home, roles, detached=detached).run())
    except AlreadyRunningError as running:
        _say(str(running))
        return 0
    except (VirtplaneError, OSError) as error:
        _say(f"virtplane up: {error}")
        return 1
    return 0


class _Installation:
    """One run, from the first preparation to the last process stopped."""

    def __init__(self, settings: Settings, home: Home, roles: Sequence[str], *, detached: bool) -> None:
        self._settings = settings
        self._home = home
        self._roles = roles
        self._detached = detached
        self._since = _now()
        self._ready = False
        self._over = False
        self._noted = False
        self._libvirt_uri = ""
        self._keepers: Sequence[Keeper] = ()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Run until a signal. Raises VirtplaneError and OSError."""
        stop = asyncio.Event()
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(each, self._stop, stop)
        await asyncio.to_thread(end_leftovers, self._home, LEFTOVER_SECONDS)
        self._changed.set()
        noting = asyncio.create_task(self._note_changes())
        shortening = asyncio.create_task(self._shorten_logs())
        working = asyncio.create_task(self._work(stop))
        try:
            # What was never noted nobody can look after: when that fails, all stops.
            await asyncio.wait((working, noting), return_when=asyncio.FIRST_COMPLETED)
            self._stop(stop)
            await working
        finally:
            shortening.cancel()
            self._over = True
            self._changed.set()
            await asyncio.gather(noting, shortening, return_exceptions=True)
            self._home.state.unlink(missing_ok=True)
        await noting

    def _stop(self, stop: asyncio.Event) -> None:
        # Noted at once: an `up` that comes now waits for the end and begins anew, rather than count on us.
        self._ready = False
        stop.set()
        self._changed.set()

    async def _work(self, stop: asyncio.Event) -> None:
        _say(f"preparing {self._home.directory}")
        _require_port(self._settings.address, self._settings.port)
        await prepare(self._settings)
        _say("certificates, kubeconfig and database: ready")
        programs = await self._libvirt() if "agent" in self._roles else []
        patience = STOP_SECONDS + self._settings.shutdown_delay
        programs += [self._program(name=role, command=virtplane(role), stop_seconds=patience) for role in self._roles]
        supervisor = Supervisor(programs, self._changed.set)
        self._keepers = supervisor.keepers
        ends = {each.name: size(each.log) for each in programs if each.log}
        try:
            await supervisor.run(stop, self._started)
        except StartError as error:
            raise UpError(_failure(error, ends.get(error.program.name, 0))) from error

    async def _libvirt(self) -> list[Program]:
        """Choose the libvirt, and return what must run for it."""
        libvirt = await hypervisor.choose(self._settings, self._home, self._program, _say)
        self._libvirt_uri = libvirt.uri
        return [libvirt.program] if libvirt.program else []

    def _program(self, **description: Any) -> Program:
        settings = dataclasses.replace(self._settings, libvirt_uri=self._libvirt_uri)
        return Program(
            environment={**os.environ, **settings.environment()},
            log=self._home.log_of(description["name"]) if self._detached else None,
            **description,
        )

    def _started(self, program: Program | None) -> None:
        if program is not None:
            _say(f"{program.name}: ready")
            return
        self._ready = True
        log.info("ready", server=server_url(self._settings), libvirt=self._libvirt_uri)
        if not self._detached:
            _say(next_steps(self._home))
        self._changed.set()

    async def _note_changes(self) -> None:
        """Keep the state file true; once it says ready, let go of the standard output that we were started with."""
        while not self._over:
            await self._changed.wait()
            self._changed.clear()
            state = self._state()
            try:
                await asyncio.to_thread(state.write, self._home)
            except OSError as error:
                if not self._noted:
                    raise
                # A disk that is full for a while ends nothing that runs: the last note still leads to us.
                log.warning("cannot note what runs, will retry", path=str(self._home.state), why=str(error))
                await asyncio.sleep(NOTE_AGAIN_SECONDS)
                self._changed.set()
                continue
            self._noted = True
            if state.ready and self._detached:
                await asyncio.to_thread(_let_go_of_output)

    async def _shorten_logs(self) -> None:
        while self._detached:
            for path in self._home.logs.glob("*.log"):
                try:
                    await asyncio.to_thread(shorten, path)
                except OSError as error:
                    log.warning("cannot shorten a log", path=str(path), why=str(error))
            await asyncio.sleep(SHORTEN_EVERY_SECONDS)

    def _state(self) -> State:
        ourselves = Identity.of(os.getpid())
        if ourselves is None:
            raise UpError("/proc does not know this process: it must be mounted")
        return State(
            supervisor=ourselves,
            since=self._since,
            ready=self._ready,
            server=server_url(self._settings),
            node=self._settings.node_name,
            libvirt_uri=self._libvirt_uri,
            processes=tuple(_process_state(each) for each in self._keepers),
        )


def _process_state(keeper: Keeper) -> ProcessState:
    child = keeper.child
    return ProcessState(
        name=keeper.program.name,
        identity=child.identity if child else None,
        since=child.since.isoformat(timespec="seconds") if child else "",
        restarts=keeper.restarts,
    )


def _require_port(address: str, port: int) -> None:
    try:
        family, kind, _, _, target = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(target)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UpError(
                f"port {port} of {address} is taken by another program: choose another with --port, or stop that one"
            ) from error
        raise UpError(f"cannot listen on {address}, port {port}: {error.strerror}") from error


def _failure(error: StartError, since: int) -> str:
    program = error.program
    if program.log is None:
        return f"{error}. Its messages are above."
    words = "\n".join(f"    {line}" for line in last_lines(program.log, since))
    return f"{error}. The last lines of {program.log}:\n{words}\nPut that right and run `virtplane up` again."


def _say(text: str) -> None:
    # Nobody needs to listen: whoever started us may have gone away.
    with contextlib.suppress(BrokenPipeError):
        print(text, flush=True)


def _let_go_of_output() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
