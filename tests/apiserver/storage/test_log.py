"""Durability, compaction and replicas."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from apiserver.storage import cache as cache_module
from apiserver.storage import shelf as shelf_module
from apiserver.storage import sql as sql_module
from apiserver.storage import watcher as watcher_module
from apiserver.storage.cache import WatchCache
from apiserver.storage.contract import Along, CompactedError, ConflictError, Key
from apiserver.storage.engine import async_url
from apiserver.storage.migrate import migrate
from apiserver.storage.sql import SqlLog
from tests.apiserver.storage.watches import take

ONE = Key("things.test", "a", "one")

WRITER = """
import asyncio, sys
from apiserver.storage.contract import Key
from apiserver.storage.sql import SqlLog

async def main():
    async with SqlLog(sys.argv[1]) as log:
        for n in range(100_000):
            await log.create(Key("things.test", "a", f"n{n}"), b"x")
            print(n, flush=True)

asyncio.run(main())
"""


async def test_an_acknowledged_write_survives_kill_9(database_url: str) -> None:
    command = [sys.executable, "-c", WRITER, database_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as writer:
        assert writer.stdout
        acknowledged = -1
        while acknowledged < 50:
            acknowledged = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        acknowledged = max([acknowledged, *(int(line) for line in writer.stdout if line.strip())])
    async with SqlLog(database_url) as log:
        names = {record.key.name for record in (await log.list("things.test")).records}
        assert {f"n{n}" for n in range(acknowledged + 1)} <= names
        assert await log.latest() == len(names)


def once_after_reading_the_revision(log: SqlLog, act: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Run ``act``, as another process would, between the first and the second query of the next read."""

    acts = [act]

    def executed(connection: Any, cursor: Any, statement: str, *_: object) -> None:
        if acts and statement.startswith("SELECT meta.revision"):
            other = threading.Thread(target=asyncio.run, args=(acts.pop()(),))
            other.start()
            other.join()

    event.listen(log._engine.sync_engine, "after_cursor_execute", executed)


async def test_a_list_and_a_load_show_one_moment_while_another_replica_deletes(database_url: str) -> None:
    async def remove() -> None:
        async with SqlLog(database_url) as other:
            await other.remove(ONE, expected=(await other.get(ONE)).revision)

    async with SqlLog(database_url) as log:
        await log.create(ONE, b"one")
        once_after_reading_the_revision(log, remove)
        listed = await log.list("things.test")
        assert (listed.revision, [record.key for record in listed.records]) == (1, [ONE])
        await log.create(ONE, b"again")
        once_after_reading_the_revision(log, remove)
        revision, records = await log.everything()
        assert (revision, [record.key for record in records]) == (3, [ONE])
        assert await log.latest() == 4


async def test_what_was_compacted_cannot_be_watched(database_url: str) -> None:
    async with SqlLog(database_url) as log:
        first = await log.create(ONE, b"one")
        second = await log.replace(ONE, b"two", expected=first.revision)
        await log.replace(ONE, b"three", expected=second.revision)
        assert await log.compact(2) == 2
        with pytest.raises(CompactedError):
            await log.events_after(1)
        assert [event.revision for event in await log.events_after(2)] == [3]
        assert (await log.get(ONE)).body == b"three"


async def test_a_restarted_cache_goes_on_where_the_one_before_stopped_until_that_is_compacted(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher_module, "CATCH_UP_EVENTS", 2)
    monkeypatch.setattr(cache_module, "REPLAY_EVENTS", 2)
    async with SqlLog(database_url) as log, WatchCache(log) as cache:
        for n in range(7):
            await cache.create(Key("things.test", "a", f"n{n}"), b"")
            await cache.create(Key("others.test", "a", f"n{n}"), b"")
    async with SqlLog(database_url) as log, WatchCache(log) as cache:
        async with cache.watch("things.test", after=3) as watch:
            assert [event.revision for event in await take(watch, 5)] == [5, 7, 9, 11, 13]
            await cache.create(ONE, b"one")
            assert [event.revision for event in await take(watch, 1)] == [15]
        old = await cache.list("things.test", at=6)
        assert [record.key.name for record in old.records] == ["n0", "n1", "n2"]
        await log.compact(10)
        with pytest.raises(CompactedError):
            await cache.list("things.test", at=6)
        async with cache.watch("things.test", after=3) as watch:
            with pytest.raises(CompactedError):
                await take(watch, 1)
        async with cache.watch("things.test", after=14) as watch:
            assert [event.revision for event in await take(watch, 1)] == [15]


async def test_a_slow_watcher_keeps_little_and_misses_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher_module, "CATCH_UP_EVENTS", 5)
    async with SqlLog(database_url) as log, WatchCache(log) as cache, cache.watch("things.test", after=0) as slow:
        await cache.create(Key("things.test", "a", "first"), b"")
        seen = await take(slow, 1)
        for n in range(10):
            await cache.create(Key("things.test", "a", f"n{n}"), b"")
        assert slow.revision == 1
        seen += await take(slow, 5)
        await cache.create(Key("things.test", "a", "last"), b"")
        seen += await take(slow, 6)
        assert [event.revision for event in seen] == list(range(1, 13))
        await cache.create(Key("things.test", "a", "on time again"), b"")
        assert [event.revision for event in await take(slow, 1)] == [13]


async def test_a_watcher_that_is_slower_than_compaction_must_list_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf_module, "WINDOW_EVENTS", 2)
    monkeypatch.setattr(shelf_module, "WINDOW_SLACK_EVENTS", 1)
    async with SqlLog(database_url) as log, WatchCache(log) as cache, AsyncExitStack() as stack:
        slow = await stack.enter_async_context(cache.watch("things.test", after=0))
        quick = await stack.enter_async_context(cache.watch("things.test", after=0))
        for n in range(10):
            await cache.create(Key("things.test", "a", f"n{n}"), b"")
            await take(quick, 1)
            if n == 0:
                await take(slow, 1)
        await log.compact(5)
        with pytest.raises(CompactedError):
            await take(slow, 1)


async def test_what_changes_often_pushes_nothing_else_out_of_memory(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf_module, "WINDOW_EVENTS", 5)
    monkeypatch.setattr(shelf_module, "WINDOW_SLACK_EVENTS", 1)
    async with SqlLog(database_url) as log, WatchCache(log) as cache:
        await cache.create(ONE, b"one")
        lease = await cache.create(Key("leases.test", "a", "node"), b"")
        for _ in range(10):
            lease = await cache.replace(lease.key, b"", expected=lease.revision)
        await log.compact(lease.revision - 1)
        async with cache.watch("things.test", after=0) as watch:
            assert [event.record.key for event in await take(watch, 1)] == [ONE]
        async with cache.watch("leases.test", after=1) as watch:
            with pytest.raises(CompactedError):
                await take(watch, 1)


async def test_superseded_states_keep_their_bytes_alone_after_a_while(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf_module, "WARM_EVENTS", 2)
    async with SqlLog(database_url) as log, WatchCache(log) as cache:
        await cache.create(ONE, b"0")
        await cache.create(Key("things.test", "a", "other"), b"still current")
        [first, other] = cache.records("things.test")
        states = [first]
        for n in range(1, 5):
            await cache.replace(ONE, str(n).encode(), expected=states[-1].revision)
            states.append(next(cache.records("things.test")))
            for each in (states[-2], states[-1], other):
                each.form("length", lambda record: len(record.body))
        await cache.replace(ONE, b"last", expected=states[-1].revision)
        assert [bool(each.forms) for each in states] == [False, False, False, False, True]
        assert other.forms
        async with cache.watch("things.test", after=0) as watch:
            assert [event.record.body for event in (await take(watch, 7))[:3]] == [b"0", b"still current", b"1"]


async def test_replicas_on_postgresql_see_each_others_writes_in_one_order(postgresql_url: str) -> None:
    async with AsyncExitStack() as stack:
        replicas: list[WatchCache] = []
        for _ in range(2):
            log = await stack.enter_async_context(SqlLog(postgresql_url))
            replicas.append(await stack.enter_async_context(WatchCache(log)))
        writes = [replicas[n % 2].create(Key("things.test", "a", f"n{n}"), b"") for n in range(100)]
        await asyncio.gather(*writes)
        orders: list[list[str]] = []
        for replica in replicas:
            async with replica.watch("things.test", after=0) as watch:
                orders.append([event.record.key.name for event in await take(watch, 100)])
        assert orders[0] == orders[1]


async def test_who_remembers_what_is_no_longer_so_overwrites_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with SqlLog(database_url) as log, WatchCache(log) as cache:
        told = asyncio.Event()
        monkeypatch.setattr(log, "wait_for_append", told.wait)
        monkeypatch.setattr(log, "_wake", lambda: asyncio.sleep(0))
        first = await cache.create(ONE, b"one")
        async with SqlLog(database_url) as other:
            theirs = await other.replace(ONE, b"theirs", expected=first.revision)
            await other.compact(theirs.revision)
        with pytest.raises(ConflictError):
            await cache.replace(ONE, b"ours", expected=first.revision)
        assert (await cache.create(Key("things.test", "a", "two"), b"two")).revision == theirs.revision + 1
        assert (await cache.get(ONE)).body == b"theirs"


async def test_a_replica_is_told_of_each_commit_of_another(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_module, "POLL_SECONDS", 60)
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(WatchCache(await stack.enter_async_context(SqlLog(postgresql_url))))
            for _ in range(2)
        ]
        for n in range(3):
            made = await first.create(Key("things.test", "a", f"n{n}"), b"")
            await second.wait_for(made.revision)


def test_an_unsupported_database_is_refused_in_plain_words() -> None:
    with pytest.raises(ValueError, match="use sqlite:"):
        async_url("mysql://localhost/x")


async def test_no_write_on_sqlite_reads_the_whole_table(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/log.db"
    await migrate(url)
    asked: list[str] = []
    async with SqlLog(url) as log:
        event.listen(log._engine.sync_engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
        everywhere = Along(Key("b.test", "b", ""), lambda _: None, every=True)
        first, _ = await asyncio.gather(
            log.create(Key("a.test", "a", "one"), b"", along=[everywhere]), log.create(Key("a.test", "b", "two"), b"")
        )
        await log.get(first.key)
    reads = [each for each in asked if each.startswith("SELECT objects.")]
    assert reads
    with sqlite3.connect(tmp_path / "log.db") as database:
        for read in reads:
            plan = database.execute(f"EXPLAIN QUERY PLAN {read}", ["x"] * read.count("?")).fetchall()
            assert not [step for *_, step in plan if step.startswith("SCAN")], plan
    database.close()
