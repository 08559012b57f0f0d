"""What breaks below is told to those who wait, and never ends the writer, the cache or the closing for good."""

import asyncio
import gc
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from apiserver.storage import cache as cache_module
from apiserver.storage import compaction as compaction_module
from apiserver.storage import engine as engine_module
from apiserver.storage import postgresql as postgresql_module
from apiserver.storage import sql as sql_module
from apiserver.storage import tasks
from apiserver.storage.batch import Plan, Write
from apiserver.storage.cache import WatchCache
from apiserver.storage.compaction import Compactor
from apiserver.storage.contract import CompactedError, Key, NotFoundError, Store, UnavailableError
from apiserver.storage.engine import make_engine
from apiserver.storage.migrate import migrate
from apiserver.storage.shelf import Shelf
from apiserver.storage.sql import SqlLog
from tests.apiserver.storage.postgresql import frozen
from tests.apiserver.storage.watches import take

ONE = Key("things.test", "a", "one")
TWO = Key("things.test", "a", "two")
SECONDS = 10
Commit = Callable[[Sequence[Write]], Awaitable[Plan]]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(sql_module, "PROBE_SECONDS", 0.05)


def out_of_order(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> asyncio.Event:
    """Let calls of ``owner.name`` find the database gone until the returned event is set."""
    back = asyncio.Event()
    original = getattr(owner, name)

    def call(*arguments: Any, **named: Any) -> Any:
        if back.is_set():
            return original(*arguments, **named)
        raise UnavailableError("gone")

    monkeypatch.setattr(owner, name, call)
    return back


def fail_once(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, error: Exception) -> asyncio.Event:
    """Let the next call of ``owner.name`` raise ``error``; the event is set when it did."""
    failed = asyncio.Event()
    original = getattr(owner, name)

    def fail(*arguments: Any, **named: Any) -> Any:
        if failed.is_set():
            return original(*arguments, **named)
        failed.set()
        raise error

    monkeypatch.setattr(owner, name, fail)
    return failed


def around(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, instead: Callable[..., Any]) -> None:
    """Let calls of ``owner.name`` call ``instead``, with the original as the first argument."""
    monkeypatch.setattr(owner, name, partial(instead, getattr(owner, name)))


async def test_a_fault_in_the_writer_fails_its_batch_and_no_other(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asyncio.timeout(SECONDS), SqlLog(database_url) as log:
        fail_once(monkeypatch, sql_module, "store", RuntimeError("a bug"))
        with pytest.raises(UnavailableError, match="RuntimeError"):
            await log.create(ONE, b"one")
        assert (await log.create(ONE, b"one")).revision == 1


async def test_a_write_whose_writer_gave_up_while_it_waited_is_not_made(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asyncio.timeout(SECONDS), SqlLog(database_url) as log:
        entered, resume = asyncio.Event(), asyncio.Event()

        async def slow(commit: Commit, batch: Sequence[Write]) -> Plan:
            entered.set()
            await resume.wait()
            return await commit(batch)

        around(monkeypatch, log, "_commit", slow)
        first = asyncio.ensure_future(log.create(ONE, b"one"))
        await entered.wait()
        impatient = asyncio.ensure_future(log.create(TWO, b"two"))
        await asyncio.wait((impatient,), timeout=0)
        impatient.cancel()
        resume.set()
        assert (await first).revision == 1
        assert (await log.create(Key("things.test", "a", "three"), b"three")).revision == 2
        with pytest.raises(NotFoundError):
            await log.get(TWO)


async def test_a_commit_whose_answer_was_lost_is_found_although_nobody_writes_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asyncio.timeout(SECONDS), SqlLog(database_url) as log, WatchCache(log) as cache:

        async def lose_the_first_answer(commit: Commit, batch: Sequence[Write]) -> Plan:
            committed = await commit(batch)
            if batch:
                raise UnavailableError("gone")
            return committed

        around(monkeypatch, log, "_commit", lose_the_first_answer)
        async with cache.watch("things.test", after=0) as watch:
            with pytest.raises(UnavailableError):
                await cache.create(ONE, b"one")
            assert (await cache.get(ONE)).revision == 1
            assert [event.revision for event in await take(watch, 1)] == [1]


async def test_the_log_is_unsound_from_a_failed_commit_to_one_that_succeeds_by_itself(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asyncio.timeout(SECONDS), SqlLog(database_url) as log:
        await log.check()
        back = out_of_order(monkeypatch, log, "_commit")
        with pytest.raises(UnavailableError):
            await log.create(ONE, b"one")
        with pytest.raises(UnavailableError):
            await log.check()
        back.set()
        await until_sound(log)
        assert (await log.create(ONE, b"one")).revision == 1


async def until_sound(log: SqlLog) -> None:
    while True:
        try:
            return await log.check()
        except UnavailableError:
            await asyncio.wait((asyncio.ensure_future(log.latest()),))


async def test_closing_answers_every_writer_even_those_before_a_full_queue(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_module, "QUEUE_WRITES", 1)
    entered = asyncio.Event()

    async def never(_: object) -> Any:
        entered.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(SECONDS):
        async with SqlLog(database_url) as log:
            monkeypatch.setattr(log, "_commit", never)
            writes = [asyncio.ensure_future(log.create(Key("things.test", "a", f"n{n}"), b"")) for n in range(5)]
            await entered.wait()
        results = await asyncio.gather(*writes, return_exceptions=True)
        assert [type(result) for result in results] == [UnavailableError] * 5
        with pytest.raises(UnavailableError):
            await log.create(ONE, b"late")


async def test_a_database_that_somebody_else_locks_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/log.db"
    await migrate(url)
    monkeypatch.setattr(engine_module, "_PRAGMAS", ("journal_mode=WAL", "busy_timeout=50"))
    async with asyncio.timeout(SECONDS), SqlLog(url) as log, WatchCache(log) as cache:
        with closing(sqlite3.connect(tmp_path / "log.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(UnavailableError, match="locked"):
                await cache.create(ONE, b"one")
        assert (await cache.create(ONE, b"one")).revision == 1


async def test_postgresql_that_does_not_answer_is_unavailable(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_module, "COMMAND_SECONDS", 0.3)
    async with asyncio.timeout(SECONDS), SqlLog(postgresql_url) as log, AsyncExitStack() as stack:
        other = make_engine(postgresql_url)
        stack.push_async_callback(other.dispose)
        async with other.begin() as blocking:
            await blocking.execute(text("LOCK TABLE meta"))
            with pytest.raises(UnavailableError):
                await log.create(ONE, b"one")
        assert (await log.create(ONE, b"one")).revision == 1


async def test_nobody_waits_long_for_a_database_that_stands_still(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("NEWEST_SECONDS", "COMMIT_SECONDS", "HISTORY_SECONDS"):
        monkeypatch.setattr(sql_module, limit, 0.3)
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
    async with asyncio.timeout(SECONDS), SqlLog(postgresql_url) as log:
        await log.create(ONE, b"one")
        with frozen(postgresql_url):
            asked = (log.newest(), log.create(TWO, b"two"), log.events_after(0, resource=ONE.resource))
            answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(answer) for answer in answers] == [UnavailableError] * 3
        await until_sound(log)
        assert (await log.create(Key("things.test", "a", "three"), b"three")).revision == 2
    gc.collect()
    assert not complaints


async def test_closing_ends_while_the_database_does_not_answer(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_module, "CONNECT_SECONDS", 1)
    monkeypatch.setattr(tasks, "CANCEL_SECONDS", 1)
    async with asyncio.timeout(20), AsyncExitStack() as stack:
        log = await stack.enter_async_context(SqlLog(postgresql_url))
        cache = await stack.enter_async_context(WatchCache(log))
        await cache.create(ONE, b"one")
        with frozen(postgresql_url):
            writes = [asyncio.ensure_future(cache.create(Key("things.test", "a", f"n{n}"), b"")) for n in range(3)]
            await asyncio.wait(writes, timeout=0.5)
            await stack.aclose()
            results = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(result) for result in results] == [UnavailableError] * 3


async def test_a_task_that_loses_a_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "CANCEL_SECONDS", 0.05)
    losses = 0

    async def stubborn() -> None:
        nonlocal losses
        while losses < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                losses += 1
        raise RuntimeError("ended with an error")

    task = asyncio.create_task(stubborn())
    await asyncio.wait((task,), timeout=0)
    async with asyncio.timeout(SECONDS):
        await tasks.end(task)
    assert losses == 2


async def lose_events(log: SqlLog, cache: WatchCache, writes: int) -> None:
    """Commit without telling the cache, as when a commit succeeds and its answer is lost."""
    log.on_commit(None)
    for n in range(writes):
        await log.create(Key("things.test", "a", f"lost{n}"), b"")
    log.on_commit(cache._hand_over)


async def names(store: Store) -> Sequence[str]:
    return [record.key.name for record in (await store.list("things.test")).records]


async def test_a_failed_read_of_the_log_is_tried_again(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with asyncio.timeout(SECONDS), SqlLog(database_url) as log, WatchCache(log) as cache:
        await lose_events(log, cache, 1)
        failed = fail_once(monkeypatch, log, "events_after", UnavailableError("no"))
        await cache.create(ONE, b"one")
        assert failed.is_set()
        assert cache.revision == 2
        assert await names(cache) == ["lost0", "one"]


async def test_what_the_log_has_and_the_cache_has_not_yet_comes_to_a_watcher_once(database_url: str) -> None:
    async with asyncio.timeout(SECONDS), SqlLog(database_url) as log:
        await log.create(ONE, b"one")
        async with WatchCache(log) as cache, cache.watch("things.test", after=0) as watch:
            await lose_events(log, cache, 2)
            seen = [*await watch.take()]
            joined = asyncio.ensure_future(watch.take())
            await asyncio.wait((joined,), timeout=0)
            await cache.create(TWO, b"two")
            seen += await joined
            while len(seen) < 4:
                seen += await watch.take()
            assert [event.revision for event in seen] == [1, 2, 3, 4]


async def test_a_cache_that_lost_events_for_good_starts_over_and_its_watchers_list_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asyncio.timeout(SECONDS), SqlLog(database_url) as log, WatchCache(log) as cache:
        async with cache.watch("things.test", after=0) as watch:
            await cache.create(ONE, b"one")
            await take(watch, 1)
            back = out_of_order(monkeypatch, log, "events_after")
            await lose_events(log, cache, 3)
            await log.compact(3)
            back.set()
            await cache.create(TWO, b"two")
            with pytest.raises(CompactedError):
                await take(watch, 1)
        assert await names(cache) == ["lost0", "lost1", "lost2", "one", "two"]
        async with cache.watch("things.test", after=cache.revision) as watch:
            await cache.remove(ONE, expected=1)
            assert [event.revision for event in await take(watch, 1)] == [6]


async def test_a_fault_in_the_cache_is_repaired_from_the_log(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asyncio.timeout(SECONDS), SqlLog(database_url) as log, WatchCache(log) as cache:
        failed = fail_once(monkeypatch, Shelf, "apply", KeyError("a bug"))
        await cache.create(ONE, b"one")
        assert failed.is_set()
        assert await names(cache) == ["one"]


async def test_a_durable_write_is_acknowledged_and_a_read_refused_while_the_cache_stands_still(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WatchCache.wait_for, "__defaults__", (0.2,))
    async with asyncio.timeout(SECONDS), SqlLog(database_url) as log, WatchCache(log) as cache:
        monkeypatch.setattr(cache, "_apply", lambda _: None)
        assert (await cache.create(ONE, b"one")).revision == 1
        with pytest.raises(UnavailableError):
            await cache.get(ONE)
        with pytest.raises(UnavailableError):
            await cache.list("things.test")


async def until_nothing_is_left(log: SqlLog) -> None:
    while await log.events_after(0):
        pass


async def test_compaction_goes_on_after_a_fault(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction_module, "KEEP_INTERVALS", 0)
    async with asyncio.timeout(SECONDS), SqlLog(database_url) as log:
        await log.create(ONE, b"one")
        failed = fail_once(monkeypatch, log, "compact", RuntimeError("a bug"))
        async with Compactor(log, 0.01):
            await failed.wait()
            with pytest.raises(CompactedError):
                await until_nothing_is_left(log)
