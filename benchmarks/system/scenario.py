"""What is done: from nothing to all machines running, then each of them started again."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from calls import answered, writes
from dataset import AT_ONCE, fill, stored_name
from growth import Point
from observing import INSTANCES, Observer, observing
from processes import Installation, Usage
from target import Target

LONGEST_SECONDS = 900
QUIET_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one step has shown."""

    step: str
    machines: int
    seconds: float
    p50_seconds: float
    p99_seconds: float
    """From when a machine was asked for until its guest ran."""
    calls: Mapping[str, int]
    used: Mapping[str, Usage]
    """The processor time that the step took, and the memory after it."""

    @property
    def rate(self) -> float:
        """Machines a second."""
        return self.machines / self.seconds

    @property
    def events(self) -> float:
        """How many Events each machine took."""
        return writes(self.calls, "events") / self.machines

    @property
    def writes(self) -> float:
        """How many writes each machine took besides, without the one that asked for it."""
        return writes(self.calls) / self.machines - self.events - 1


def machine(name: str) -> dict[str, Any]:
    """Return a small machine without disks, of which a node takes many; its one interface is on the pod network."""
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {
            "runStrategy": "Always",
            "template": {
                "metadata": {"labels": {"kubevirt.io/domain": name}},
                "spec": {
                    "terminationGracePeriodSeconds": 60,
                    "domain": {
                        "memory": {"guest": "64Mi"},
                        "resources": {"requests": {"cpu": "10m"}},
                        "devices": {"interfaces": [{"name": "default", "masquerade": {}}]},
                    },
                    "networks": [{"name": "default", "pod": {}}],
                },
            },
        },
    }


async def start_and_restart(running: Installation, machines: int, tell: Callable[[str], None]) -> list[Outcome]:
    """Start ``machines``, then each again by deleting its instance; return what both steps have shown."""
    target = running.target
    async with observing(target) as observer:
        tell(f"{machines} machines, from nothing")
        started = await _measured("start", running, observer, machines, lambda: fill(target, 0, machines, machine))
        observer.again()
        tell(f"{machines} machines, each again")
        again = await _measured("restart", running, observer, machines, lambda: _delete_instances(target, machines))
    return [started, again]


def costs(found: Sequence[Outcome]) -> list[Point]:
    """Return what one machine costs, in time and of each component, for a chart."""
    return [
        Point(figure=f"{each.step}: {what}", by="machines", size=each.machines, microseconds=1e6 * seconds)
        for each in found
        for what, seconds in (
            ("time", each.seconds / each.machines),
            *((f"CPU of {name}", used.cpu_seconds / each.machines) for name, used in each.used.items()),
        )
        if seconds
    ]


async def _measured(
    step: str, running: Installation, observer: Observer, machines: int, work: Callable[[], Awaitable[None]]
) -> Outcome:
    before, calls = running.usage(), await asyncio.to_thread(answered, running.target)
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        group.create_task(work())
        await observer.until_all_run(machines, LONGEST_SECONDS)
    seconds = max(observer.told.values()) - began
    all_calls = await _settled(running.target)
    after = running.usage()
    waited = [observer.running[name] - asked for name, asked in observer.asked.items()]
    return Outcome(
        step=step,
        machines=machines,
        seconds=seconds,
        p50_seconds=statistics.median(waited),
        p99_seconds=statistics.quantiles(waited, n=100)[-1],
        calls=Counter(all_calls) - calls,
        used={
            name: Usage(found.cpu_seconds - before[name].cpu_seconds, found.resident_bytes)
            for name, found in after.items()
        },
    )


async def _settled(target: Target) -> Counter[str]:
    """Return all calls once nothing but heartbeats comes any more: Events are told after what they tell of."""
    calls = await asyncio.to_thread(answered, target)
    while True:
        await asyncio.sleep(QUIET_SECONDS)
        before, calls = calls, await asyncio.to_thread(answered, target)
        if writes(before) == writes(calls):
            return calls


async def _delete_instances(target: Target, machines: int) -> None:
    names = map(stored_name, range(machines))
    headers = {"Authorization": f"Bearer {target.token}"}
    connector = aiohttp.TCPConnector(ssl=target.context(), limit=AT_ONCE)
    async with aiohttp.ClientSession(target.url, headers=headers, connector=connector) as session:

        async def work() -> None:
            for name in names:
                async with session.delete(f"{INSTANCES}/{name}") as answer:
                    answer.raise_for_status()

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())
