"""Keeps programs running: started in order, started again when they end, stopped in the opposite order."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from client.running import until
from virtplane.supervision.child import Child, Program, describe

log = structlog.get_logger(__name__)

Changed = Callable[[], None]


@dataclass(slots=True, kw_only=True)
class Backoff:
    """How long to wait before a program that keeps ending is started again: twice as long each time, up to a bound."""

    first: float = 0.2
    most: float = 30
    calm: float = 60
    """Seconds after which a program counts as having run well, and the waiting begins anew."""
    failures: int = 0

    def after(self, lived: float) -> float:
        """Return the seconds to wait now that the program has ended after ``lived`` seconds."""
        self.failures = 1 if lived >= self.calm else self.failures + 1
        return min(self.most, self.first * 2 ** min(self.failures - 1, 16))


class Keeper:
    """Keeps one program running."""

    def __init__(self, program: Program, changed: Changed, backoff: Backoff | None = None) -> None:
        self.program = program
        self.child: Child | None = None
        """The process; None while there is none."""
        self.restarts = 0
        self._changed = changed
        self._backoff = backoff or Backoff()

    async def start(self) -> None:
        """Start the program and wait until it is ready. Raises StartError, OSError."""
        self.child = await Child.spawn(self.program)
        self._changed()
        await self.child.until_ready()

    async def keep(self) -> None:
        """Start the program again whenever it ends, until cancelled. It must have been started."""
        began = asyncio.get_running_loop().time()
        while True:
            why = await self._ended()
            now = asyncio.get_running_loop().time()
            delay = self._backoff.after(now - began)
            log.warning("process ended", name=self.program.name, why=why, restart_in_seconds=delay)
            await asyncio.sleep(delay)
            began = asyncio.get_running_loop().time()
            self.restarts += 1
            try:
                self.child = await Child.spawn(self.program)
            except OSError as error:
                log.warning("process could not be started", name=self.program.name, why=str(error))
                continue
            log.info("process restarted", name=self.program.name, pid=self.child.pid, restarts=self.restarts)
            self._changed()

    async def stop(self) -> None:
        """Stop the process, if there is one."""
        if self.child is not None:
            await self.child.stop()
            self._forget()
            log.info("process stopped", name=self.program.name)

    async def _ended(self) -> str:
        if self.child is None:
            return "not started"
        code = await self.child.wait()
        self._forget()
        return describe(code)

    def _forget(self) -> None:
        if self.child is not None:
            self.child.close()
            self.child = None
            self._changed()


class Supervisor:
    """Keeps several programs running, each of which needs those before it."""

    def __init__(self, programs: Sequence[Program], changed: Changed, backoff: Callable[[], Backoff] = Backoff) -> None:
        """``changed()`` is called whenever a process begins or ends."""
        self.keepers = [Keeper(program, changed, backoff()) for program in programs]

    async def run(self, stop: asyncio.Event, started: Callable[[Program | None], None]) -> None:
        """Run everything until ``stop`` is set, and leave nothing running.

        ``started`` is told of each program that is ready, and with None that all are.
        Raises StartError or OSError when one cannot be started in the first place.
        """
        try:
            await until(stop, self._start_and_keep(started))
        finally:
            for keeper in reversed(self.keepers):
                await keeper.stop()

    async def _start_and_keep(self, started: Callable[[Program | None], None]) -> None:
        keeping: list[asyncio.Task[None]] = []
        try:
            for keeper in self.keepers:
                await keeper.start()
                started(keeper.program)
                keeping.append(asyncio.create_task(keeper.keep(), name=f"keep-{keeper.program.name}"))
            started(None)
            await asyncio.gather(*keeping)
        finally:
            for each in keeping:
                each.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)
