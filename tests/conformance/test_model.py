"""Many clients at once against a model of what they may see: writes are linearizable, lists are of one moment, and
watches are ordered, unique, atomic, reliable, resumable and bookmarkable, while servers and watches are killed.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.conformance import clients, model
from tests.conformance.replica import Replica

OPERATIONS = 10_000
WORKERS = 24
KILL_EVERY_OPERATIONS = 3_000


@pytest.fixture
async def replicas(database_url: str, tmp_path: Path) -> AsyncGenerator[list[Replica]]:
    """One server on SQLite, two on PostgreSQL."""
    count = 1 if database_url.startswith("sqlite") else 2
    made = await Replica.prepare(tmp_path, database_url, count)
    async with AsyncExitStack() as stack:
        for replica in made:
            stack.push_async_callback(replica.stop)
            await replica.start()
        yield made


async def kill_now_and_then(run: clients.Run) -> None:
    """Kill a server, and start it again, each time that many operations are done."""
    run.milestones = {left: asyncio.Event() for left in range(KILL_EVERY_OPERATIONS, OPERATIONS, KILL_EVERY_OPERATIONS)}
    for left in sorted(run.milestones, reverse=True):
        await run.milestones[left].wait()
        replica = run.chance.choice(run.replicas)
        await replica.kill()
        await replica.start()


async def drive(run: clients.Run) -> int:
    """Do all the work; return the revision before it."""
    [session, *_] = run.sessions.values()
    for namespace in clients.NAMESPACES:
        async with session.post("/api/v1/namespaces", json={"metadata": {"name": namespace}}) as answer:
            first = int((await answer.json())["metadata"]["resourceVersion"])
    watchers = [
        clients.watch(run, first),
        clients.watch(run, first),
        clients.watch(run, first, namespace=clients.NAMESPACES[0]),
        clients.watch(run, first, phase=clients.PHASES[0]),
        clients.watch(run, first, name=clients.NAMES[0]),
        clients.watch(run, None, namespace=clients.NAMESPACES[1]),
        clients.watch(run, None, phase=clients.PHASES[1]),
    ]
    async with asyncio.TaskGroup() as group:
        watching = [group.create_task(each) for each in watchers]
        async with asyncio.TaskGroup() as working:
            for _ in range(WORKERS):
                working.create_task(clients.work(run))
            working.create_task(kill_now_and_then(run))
        run.done.set()
        await asyncio.wait(watching)
    return first


async def test_all_clients_see_one_history(replicas: list[Replica]) -> None:
    seed = int(os.environ.get("MODEL_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"MODEL_SEED={seed}")  # noqa: T201 - pytest shows it when the test fails
    run = clients.Run(replicas, random.Random(seed), OPERATIONS)  # noqa: S311 - it must be repeatable
    async with AsyncExitStack() as stack:
        for session in run.open():
            await stack.enter_async_context(session)
        first = await drive(run)
        # What a watcher is told from the beginning, in one go.
        whole = model.Session(after=first)
        async for _ in clients.watch_once(run, whole, last=True):
            pass
    history = model.History(whole.events)
    time = model.check_writes(history, run.writes)
    for read in run.reads:
        model.check_read(history, time, read)
    for sessions in run.watches:
        for each in sessions:
            model.check_session(history, each)
        if sessions[0].after is not None:
            model.check_chain(history, sessions, run.newest)
    outcomes = Counter(write.outcome for write in run.writes)
    assert all(outcomes[each] for each in ("done", "exists", "conflict", "missing")), outcomes


def test_the_model_finds_the_delete_whose_answer_was_lost() -> None:
    key = ("namespace", "name")
    states = [
        model.State(1, "a", "one"),
        model.State(2, "a", "one"),
        model.State(3, "b", "one"),
        model.State(4, "b", "one"),
    ]
    types = ("ADDED", "DELETED", "ADDED", "DELETED")
    history = model.History([model.Seen(each, key, state) for each, state in zip(types, states, strict=True)])
    lost = model.Write(verb="delete", key=key, expected=1, start=1.1)
    told = model.Write(verb="delete", key=key, start=1.2, end=5, outcome="done")
    first = model.Write(verb="create", key=key, value="a", start=0, end=1, outcome="done", revision=1)
    second = model.Write(verb="create", key=key, value="b", start=1.5, end=3, outcome="done", revision=3)
    model.check_writes(history, [first, second, lost, told])
    assert (lost.revision, told.revision) == (2, 4)
