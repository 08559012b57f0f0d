"""What several servers on one database do together: their loads summed, and how soon one knows of another's write."""

import contextlib
import http.client
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import load
import orjson
from figures import LOADS, Figure, Plan
from load import Load, Outcome
from target import MACHINES, Target, own_server

MEASURED = ("get", "list of 500", "status patch", "create")
CONVERGENCE_MILLISECONDS = 50
WRITES_A_SECOND = 40
NOTE = "shares its cores with the load and the database"


@contextlib.contextmanager
def own_servers(database_url: str, directory: Path, count: int) -> Iterator[list[Target]]:
    """Run servers of this checkout on one PostgreSQL database, with the keys of the first."""
    homes = [directory / f"host{number}" for number in range(count)]
    with contextlib.ExitStack() as stack:
        targets: list[Target] = []
        for home in homes:
            if home != homes[0] and not home.exists():
                shutil.copytree(homes[0] / "pki", home / "pki")
            targets.append(stack.enter_context(own_server(database_url, home)))
        yield targets


def measure(targets: Sequence[Target], plan: Plan, tell: Callable[[str], None]) -> Iterator[Figure]:
    """Yield what one server does and what all do, by load; then how soon the last knows of the writes of the first."""
    numbers = iter(range(1, 100_000))
    for name, _, each in LOADS:
        if name in MEASURED:
            for servers in (targets[:1], targets):
                tell(f"{name}, {len(servers)} servers")
                runs = [_together(servers, each, plan, numbers) for _ in range(plan.runs)]
                yield _summed(f"{name}, {len(servers)} of {len(targets)} servers", runs)
    tell("convergence")
    seconds = sorted(_convergence(targets[0], targets[-1], plan.runs * plan.seconds * WRITES_A_SECOND))
    for percent in (50, 99):
        took = 1000 * seconds[len(seconds) * percent // 100]
        yield Figure(
            name=f"a write at one until a watch at another tells it, p{percent}",
            unit="ms",
            median=took,
            lowest=1000 * seconds[0],
            highest=1000 * seconds[-1],
            note=f"{len(seconds)} writes, each with its own request",
            target=CONVERGENCE_MILLISECONDS,
        )


def _together(servers: Sequence[Target], each: Load, plan: Plan, numbers: Iterator[int]) -> list[Outcome]:
    """Load all servers at once, each with a wrk of its own."""
    with ThreadPoolExecutor(len(servers)) as pool:
        running = [
            pool.submit(load.run, server, each, plan.machines, next(numbers), plan.seconds) for server in servers
        ]
        return [one.result() for one in running]


def _summed(name: str, runs: Sequence[Sequence[Outcome]]) -> Figure:
    rates = [sum(one.rate for one in run) for run in runs]
    failed = sum(one.failed for run in runs for one in run)
    slowest = statistics.median(max(one.p99_ms for one in run) for run in runs)
    note = f"{NOTE}, p99 {slowest:.3g} ms" + (f", {failed} FAILED" if failed else "")
    median = statistics.median(rates)
    return Figure(name=name, unit="/s", median=median, lowest=min(rates), highest=max(rates), note=note)


def _convergence(writer: Target, watched: Target, count: int) -> Iterator[float]:
    """Yield how many seconds it takes from sending a write to one server until another tells of it."""
    revision = watched.request("GET", f"{MACHINES}?limit=1")["metadata"]["resourceVersion"]
    with contextlib.closing(_connected(writer)) as writing, contextlib.closing(_connected(watched)) as watching:
        authorization = {"Authorization": f"Bearer {watched.token}"}
        watching.request("GET", f"{MACHINES}?watch=true&resourceVersion={revision}", headers=authorization)
        told = watching.getresponse()
        headers = {"Authorization": f"Bearer {writer.token}", "Content-Type": "application/merge-patch+json"}
        for number in range(count):
            body = orjson.dumps({"status": {"desiredGeneration": 1_000_000 + number}})
            began = time.monotonic()
            writing.request("PATCH", f"{MACHINES}/vm-00000/status", body, headers)
            written = orjson.loads(writing.getresponse().read())["metadata"]["resourceVersion"]
            while orjson.loads(told.readline())["object"]["metadata"]["resourceVersion"] != written:
                pass
            yield time.monotonic() - began


def _connected(target: Target) -> http.client.HTTPSConnection:
    return http.client.HTTPSConnection(target.host, target.port, timeout=60, context=target.context())
