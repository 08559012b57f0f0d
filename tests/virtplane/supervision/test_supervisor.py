"""Programs are kept running, with real processes."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from virtplane.supervision.child import Program, StartError
from virtplane.supervision.processes import Identity
from virtplane.supervision.supervisor import Backoff, Supervisor

READY = "import os; os.write(int(os.environ['VIRTPLANE_READY_FD']), b'.')"
LONG = f"{READY}; import time; time.sleep(600)"
SLOW_TO_STOP = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {LONG}"


def program(name: str, code: str, folder: Path, **more: float) -> Program:
    command = [sys.executable, "-c", code]
    return Program(name=name, command=command, environment=os.environ, log=folder / f"{name}.log", **more)


class Running:
    def __init__(self, supervisor: Supervisor, changed: asyncio.Condition) -> None:
        self.supervisor = supervisor
        self._changed = changed

    def pid(self, index: int) -> int | None:
        child = self.supervisor.keepers[index].child
        return child.pid if child is not None else None

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(condition)


@asynccontextmanager
async def running(*programs: Program, backoff: Callable[[], Backoff] = Backoff) -> AsyncIterator[Running]:
    condition = asyncio.Condition()
    telling: set[asyncio.Task[None]] = set()
    stop, all_ready = asyncio.Event(), asyncio.Event()

    async def tell() -> None:
        async with condition:
            condition.notify_all()

    def changed() -> None:
        task = asyncio.create_task(tell())
        telling.add(task)
        task.add_done_callback(telling.discard)

    supervisor = Supervisor(programs, changed, backoff)
    task = asyncio.create_task(supervisor.run(stop, lambda each: all_ready.set() if each is None else None))
    waiting = asyncio.create_task(all_ready.wait())
    try:
        await asyncio.wait((task, waiting), timeout=20, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        yield Running(supervisor, condition)
    finally:
        waiting.cancel()
        stop.set()
        await task


async def test_a_killed_program_is_started_again(tmp_path: Path) -> None:
    async with running(program("a", LONG, tmp_path), program("b", LONG, tmp_path)) as now:
        first, other = now.pid(0), now.pid(1)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await now.until(lambda: now.pid(0) not in {None, first})
        assert now.supervisor.keepers[0].restarts == 1
        assert now.pid(1) == other
        again = now.pid(0)
    assert again is not None
    assert Identity.of(again) is None


async def test_a_program_that_keeps_ending_is_started_again_and_again(tmp_path: Path) -> None:
    once = tmp_path / "once"
    code = f"import os, sys; os.path.exists({str(once)!r}) and sys.exit(3); open({str(once)!r}, 'w'); {LONG}"
    async with running(program("a", code, tmp_path), backoff=lambda: Backoff(first=0.01)) as now:
        pid = now.pid(0)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await now.until(lambda: now.supervisor.keepers[0].restarts >= 3)


def test_the_wait_doubles_up_to_a_bound_and_begins_anew_after_a_calm_time() -> None:
    backoff = Backoff(first=1, most=5, calm=60)
    assert [backoff.after(0.1) for _ in range(4)] == [1, 2, 4, 5]
    assert backoff.after(61) == 1


async def test_programs_start_in_order_and_stop_in_the_opposite_one(tmp_path: Path) -> None:
    told = tmp_path / "told"
    said = f"open({str(told)!r}, 'a').write"

    def talkative(name: str) -> Program:
        end = f"signal.signal(signal.SIGTERM, lambda *_: ({said}('-{name} '), sys.exit(0)))"
        return program(name, f"import signal, sys; {end}; {said}('+{name} '); {LONG}", tmp_path)

    async with running(talkative("a"), talkative("b"), talkative("c")):
        pass
    assert told.read_text().split() == ["+a", "+b", "+c", "-c", "-b", "-a"]


@pytest.mark.parametrize("failure", [None, OSError("it cannot")])
async def test_a_program_is_prepared_for_its_end_and_ends_also_if_that_fails(
    tmp_path: Path, failure: OSError | None
) -> None:
    alive: list[bool] = []

    async def last_act() -> None:
        alive.append(Identity.of(pid) is not None)
        if failure is not None:
            raise failure

    async with running(replace(program("a", LONG, tmp_path), before_stop=last_act)) as now:
        found = now.pid(0)
        assert found is not None
        pid = found
    assert alive == [True]
    assert Identity.of(pid) is None


async def test_a_program_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    async with running(program("a", SLOW_TO_STOP, tmp_path, stop_seconds=0.1)) as now:
        pid = now.pid(0)
    assert pid is not None
    assert Identity.of(pid) is None


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import sys; sys.exit('no such thing')", "b ended: exit code 1"),
        ("import os; os.kill(os.getpid(), 9)", "b ended: killed by SIGKILL"),
        ("import time; time.sleep(600)", "b was not ready within 0.5 seconds"),
    ],
)
async def test_a_program_that_cannot_start_ends_all(tmp_path: Path, code: str, why: str) -> None:
    first, bad = program("a", LONG, tmp_path), program("b", code, tmp_path, start_seconds=0.5)
    pids: list[int | None] = []

    def changed() -> None:
        pids.extend(keeper.child.pid for keeper in supervisor.keepers if keeper.child)

    supervisor = Supervisor((first, bad, program("c", LONG, tmp_path)), changed)
    with pytest.raises(StartError, match=why):
        await supervisor.run(asyncio.Event(), lambda _: None)
    assert len(set(pids)) == 2
    assert all(pid is not None and Identity.of(pid) is None for pid in pids)


SUPERVISE = """
import asyncio, os, sys
from pathlib import Path
from virtplane.supervision.child import Program
from virtplane.supervision.supervisor import Supervisor

def tell(program):
    if program is None:
        print(*(keeper.child.pid for keeper in supervisor.keepers), flush=True)

command = [sys.executable, "-c", sys.argv[1]]
supervisor = Supervisor(
    [Program(name=name, command=command, environment=os.environ, log=None) for name in "ab"], lambda: None
)
asyncio.run(supervisor.run(asyncio.Event(), tell))
"""


def test_no_program_outlives_a_killed_supervisor() -> None:
    with subprocess.Popen([sys.executable, "-c", SUPERVISE, LONG], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        children = [os.pidfd_open(int(pid)) for pid in supervisor.stdout.readline().split()]
        supervisor.kill()
    assert len(children) == 2
    for child in children:
        signalled_end(child)


def signalled_end(descriptor: int) -> None:
    """Wait for the end of a process that is not our child."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    assert poll.poll(20_000), "it lives on"
    os.close(descriptor)
