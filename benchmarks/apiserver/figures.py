"""What is measured: each figure with its unit, its target, and how it comes about."""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import floor
import load
import watching
from load import Load
from target import MACHINES, Target


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table."""

    name: str
    unit: str
    median: float
    lowest: float
    highest: float
    note: str = ""
    target: float | None = None
    """What one process on SQLite shall reach; of times and memory, stay below."""

    @property
    def more_is_better(self) -> bool:
        """Whether it is a rate."""
        return self.unit.endswith("/s")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how often."""

    machines: int
    seconds: int
    runs: int
    watchers: int


LOADS: tuple[tuple[str, float, Load], ...] = (
    ("get", 20_000, Load(script="get", path=MACHINES, connections=16)),
    ("list of 500", 500, Load(script="list", path=f"{MACHINES}?limit=500", connections=4)),
    ("list of all, from cache", 25, Load(script="list", path=f"{MACHINES}?resourceVersion=0", connections=4)),
    ("list of all, consistent", 25, Load(script="list", path=MACHINES, connections=4)),
    ("status patch", 3_000, Load(script="patch", path=MACHINES, connections=16)),
    ("create", 4_000, Load(script="create", path=MACHINES, connections=16)),
)
EVENTS_PER_SECOND, P99_MILLISECONDS, RESIDENT_MEGABYTES, START_SECONDS = 150_000, 20, 200, 1


def measure(target: Target, plan: Plan, tell: Callable[[str], None]) -> Iterator[Figure]:
    """Yield the figures of a server that stores ``plan.machines``, one after the other; ``tell`` hears of progress.

    The number of machines grows with the runs that create some, which therefore come last.
    """
    yield from _at_rest(target)
    tell("fixed answers")
    yield _fixed_answers(plan)
    numbers = iter(range(1, 100_000))
    rates: dict[str, float] = {}
    for name, wanted, each in LOADS:
        tell(name)
        outcomes = [load.run(target, each, plan.machines, next(numbers), plan.seconds) for _ in range(plan.runs)]
        note = f"{each.connections} connections, p50 {_median(o.p50_ms for o in outcomes):.3g} ms, "
        note += f"p99 {_median(o.p99_ms for o in outcomes):.3g} ms{_failures(sum(o.failed for o in outcomes))}"
        figure = _figure(name, "/s", [o.rate for o in outcomes], note, wanted)
        rates[name] = figure.median
        yield figure
    for name in ("status patch", "create"):
        tell(f"{name} at half the peak")
        yield _at_half_the_peak(target, plan, name, rates[name], numbers)
    tell(f"events to {plan.watchers} watchers")
    yield _events(target, plan, numbers)


def _at_rest(target: Target) -> Iterator[Figure]:
    if target.start_seconds is not None:
        yield _figure("ready after its start", "s", [target.start_seconds], "", START_SECONDS)
    if (resident := target.resident_bytes()) is not None:
        yield _figure("memory", "MB", [resident / 1e6], "before any load", RESIDENT_MEGABYTES)


def _fixed_answers(plan: Plan) -> Figure:
    """Measure what the machine gives, whatever the server."""
    with floor.fixed_server() as fixed:
        every = Load(script="get", path="/", connections=16)
        outcomes = [load.run(fixed, every, plan.machines, 0, plan.seconds) for _ in range(plan.runs)]
    return _figure("fixed answers", "/s", [o.rate for o in outcomes], "of uvloop and TLS alone: the machine, today")


def _at_half_the_peak(target: Target, plan: Plan, name: str, peak: float, numbers: Iterator[int]) -> Figure:
    """Measure how long writes take when connections rest between them so long that about half the peak comes about."""
    base = next(each for found, _, each in LOADS if found == name)
    connections = 2 * base.connections
    delay = max(1, round(2000 * connections / peak))
    rested = Load(script=base.script, path=base.path, connections=connections, delay_milliseconds=delay)
    outcomes = [load.run(target, rested, plan.machines, next(numbers), plan.seconds) for _ in range(plan.runs)]
    note = f"at {_median(o.rate for o in outcomes):.0f}/s, {connections} connections"
    return _figure(f"{name}, p99 at half the peak", "ms", [o.p99_ms for o in outcomes], note, P99_MILLISECONDS)


def _events(target: Target, plan: Plan, numbers: Iterator[int]) -> Figure:
    found = [watching.run(target, plan.watchers, plan.machines, next(numbers), plan.seconds) for _ in range(plan.runs)]
    note = f"{_median(each.writes.rate for each in found):.0f} writes/s meanwhile"
    if not all(each.complete for each in found):
        note += ", NOT COMPLETE"
    return _figure(f"events to {plan.watchers} watchers", "/s", [each.rate for each in found], note, EVENTS_PER_SECOND)


def _figure(name: str, unit: str, values: list[float], note: str, target: float | None = None) -> Figure:
    return Figure(
        name=name,
        unit=unit,
        median=statistics.median(values),
        lowest=min(values),
        highest=max(values),
        note=note,
        target=target,
    )


def _median(values: Iterator[float]) -> float:
    return statistics.median(values)


def _failures(count: int) -> str:
    return f", {count} FAILED" if count else ""
