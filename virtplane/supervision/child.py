"""One child process: started, awaited until it is ready, stopped."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import structlog

from virtplane.errors import VirtplaneError
from virtplane.supervision import readiness
from virtplane.supervision.logfiles import open_log
from virtplane.supervision.processes import Identity, bound_to_parent

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run, and how."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path | None
    """Where it writes to; None: where we do."""
    is_ready: Callable[[], Awaitable[object]] | None = None
    """Waits until it can be used; None: it says so itself, see ``virtplane.supervision.readiness``."""
    before_stop: Callable[[], Awaitable[object]] | None = None
    """What it must still do before it is asked to end."""
    start_seconds: float = 60
    stop_seconds: float = 15


class StartError(VirtplaneError):
    """A program did not become ready; the message says why."""

    def __init__(self, program: Program, why: str) -> None:
        super().__init__(f"{program.name} {why}")
        self.program = program


class Child:
    """A running process of a program. It ends when we do, however we end."""

    def __init__(self, program: Program, process: asyncio.subprocess.Process, ready: int) -> None:
        self._program = program
        self._process = process
        self._ready = ready
        self.pid = process.pid
        self.identity = Identity.of(process.pid)
        self.since = datetime.now(UTC)

    @classmethod
    async def spawn(cls, program: Program) -> Self:
        """Start a process of ``program``. Raises OSError."""
        ours, theirs = os.pipe()
        try:
            with contextlib.ExitStack() as stack:
                output = stack.enter_context(open_log(program.log)) if program.log else None
                process = await asyncio.create_subprocess_exec(
                    *bound_to_parent(list(program.command)),
                    env={**program.environment, readiness.VARIABLE: str(theirs)},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=(theirs,),
                    cwd="/",
                    # Ctrl-C in a terminal is for us alone: we stop our children in order.
                    start_new_session=True,
                )
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        return cls(program, process, ours)

    async def until_ready(self) -> None:
        """Wait until the program can be used. Raises StartError."""
        ready = asyncio.ensure_future(self._program.is_ready() if self._program.is_ready else self._announced())
        ended = asyncio.ensure_future(self.wait())
        try:
            await asyncio.wait((ready, ended), timeout=self._program.start_seconds, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise StartError(self._program, f"ended: {describe(ended.result())}")
            if not ready.done():
                raise StartError(self._program, f"was not ready within {self._program.start_seconds:g} seconds")
            if (error := ready.exception()) is not None:
                raise StartError(self._program, f"is not ready: {error}") from error
        finally:
            ready.cancel()
            ended.cancel()
            await asyncio.gather(ready, ended, return_exceptions=True)

    async def wait(self) -> int:
        """Return the exit code once the process has ended; negative: the number of the signal that ended it."""
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask the process to end, and kill it if it does not in time."""
        await self._before_stop()
        try:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            async with asyncio.timeout(self._program.stop_seconds):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _before_stop(self) -> None:
        if self._program.before_stop is None:
            return
        try:
            async with asyncio.timeout(self._program.stop_seconds):
                await self._program.before_stop()
        except (VirtplaneError, OSError) as error:
            log.warning("process is stopped unprepared", name=self._program.name, why=str(error))

    def close(self) -> None:
        """Let go of the pipe. The process must have ended."""
        os.close(self._ready)

    async def _announced(self) -> None:
        if not await readiness.announced(self._ready):
            # It closed the pipe without a word: how it ends, or that it does not, says more.
            await asyncio.get_running_loop().create_future()


def describe(code: int) -> str:
    """Return what an exit code means in words."""
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
