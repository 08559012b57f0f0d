"""A database that lost what was written to it is noticed, and nobody goes on from what never was."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from apiserver.storage import cache as cache_module
from apiserver.storage import sql as sql_module
from apiserver.storage.cache import WatchCache
from apiserver.storage.contract import CompactedError, Key, UnavailableError, Watch
from apiserver.storage.lineage import JUMP_REVISIONS
from apiserver.storage.postgresql import connect
from apiserver.storage.sql import SqlLog
from apiserver.storage.urls import parse
from tests.apiserver.storage.watches import take

THINGS = "things.test"
SECONDS = 10
LOSE_ALL_BUT_THE_FIRST = (
    "DELETE FROM objects WHERE revision > 1",
    "DELETE FROM history WHERE revision > 1",
    "UPDATE meta SET revision = 1",
)
END_CONNECTIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname = current_database()
"""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(sql_module, "POLL_SECONDS", 0.05)


def key(name: str) -> Key:
    return Key(THINGS, "a", name)


@asynccontextmanager
async def caches(url: str, count: int) -> AsyncIterator[Sequence[WatchCache]]:
    """As many servers' storage on one database."""
    async with asyncio.timeout(SECONDS), AsyncExitStack() as stack:
        logs = [await stack.enter_async_context(SqlLog(url)) for _ in range(count)]
        yield [await stack.enter_async_context(WatchCache(log)) for log in logs]


def run(url: str, *statements: str) -> None:
    """Run statements, then end all connections, as a failover does."""
    path, host = url.split("?host=")
    command = ["psql", "-qh", host, "-U", "postgres", "-d", path.rpartition("/")[2]]
    for each in (*statements, END_CONNECTIONS):
        command += ["-c", each]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


async def create(cache: WatchCache, name: str) -> int:
    """Create, however often that needs until the database is there again."""
    while True:
        try:
            return (await cache.create(key(name), name.encode())).revision
        except UnavailableError:
            await cache.latest()


async def names(cache: WatchCache) -> list[str]:
    while True:
        try:
            return [record.key.name for record in (await cache.list(THINGS)).records]
        except UnavailableError:
            await asyncio.wait((asyncio.ensure_future(cache._sql.wait_for_append()),))


async def the_end(watch: Watch) -> None:
    while True:
        assert not await watch.take()


async def test_what_was_lost_is_forgotten_by_every_server_and_every_watcher(postgresql_url: str) -> None:
    async with caches(postgresql_url, 2) as (one, two):
        for name in ("kept", "lost", "lost too"):
            await create(one, name)
        await two.wait_for(3)
        async with one.watch(THINGS, after=3) as here, two.watch(THINGS, after=1) as there:
            await take(there, 2)
            run(postgresql_url, *LOSE_ALL_BUT_THE_FIRST)
            for watch in (here, there):
                with pytest.raises(CompactedError):
                    await the_end(watch)
        for cache in (one, two):
            assert await names(cache) == ["kept"]
            assert cache.revision > JUMP_REVISIONS
            async with cache.watch(THINGS, after=3) as resumed:
                with pytest.raises(CompactedError):
                    await the_end(resumed)
        assert await create(two, "lost") == cache.revision > JUMP_REVISIONS
        assert await names(one) == ["kept", "lost"]


async def test_revisions_that_were_given_once_more_are_noticed(postgresql_url: str) -> None:
    async with caches(postgresql_url, 1) as (one,):
        await create(one, "lost")
        again = "INSERT INTO {} VALUES ('things.test', 'a', 'other', 1, 'x')"
        history = "UPDATE history SET name = 'other', body = 'x'"
        run(postgresql_url, "DELETE FROM objects", again.format("objects"), history)
        assert await names(one) == ["other"]
        assert one.revision == 1 + JUMP_REVISIONS


@pytest.mark.parametrize("forgotten", [False, True])
async def test_a_database_that_lost_nothing_goes_on(postgresql_url: str, *, forgotten: bool) -> None:
    async with caches(postgresql_url, 2) as (one, two):
        await create(one, "kept")
        await two.wait_for(1)
        if forgotten:
            await one._sql.compact(1)
        async with one.watch(THINGS, after=1) as here, two.watch(THINGS, after=1) as there:
            run(postgresql_url)
            assert await create(two, "new") == 2
            assert [(event.revision, event.record.key.name) for event in await take(here, 1)] == [(2, "new")]
            assert [event.revision for event in await take(there, 1)] == [2]


async def test_a_server_that_starts_knows_what_it_has_read(postgresql_url: str) -> None:
    async with caches(postgresql_url, 1) as (before,):
        await create(before, "kept")
        await create(before, "lost")
    async with caches(postgresql_url, 1) as (one,):
        run(postgresql_url, *LOSE_ALL_BUT_THE_FIRST)
        assert await create(one, "new") == 3 + JUMP_REVISIONS
        assert await names(one) == ["kept", "new"]


async def test_what_is_learnt_while_a_connection_is_looked_at_does_not_count(postgresql_url: str) -> None:
    async with caches(postgresql_url, 1) as (one,):
        await create(one, "first")
        lineage, connection = one._sql._lineage, await connect(parse(postgresql_url))

        class Slow:
            """Answers once another write is known."""

            async def fetchrow(self, *asked: object) -> object:
                row = await connection.fetchrow(*asked)
                await create(one, "second")
                return row

            async def execute(self, *_: object) -> None:
                raise AssertionError("nothing is lost")

        try:
            await lineage.recognize(Slow())
        finally:
            await connection.close()
