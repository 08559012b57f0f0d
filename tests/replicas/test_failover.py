"""The primary of the database is lost and its standby takes over: what was acknowledged is there, and all learn it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.conformance.api import CONFIG_MAP, SECONDS, Api
from tests.conformance.watching import Watch, revision, told, watching
from tests.replicas.databases import Databases, running_databases
from tests.replicas.hosts import clients, running_hosts

WRITERS = 4


@asynccontextmanager
async def two_of_each(directory: Path) -> AsyncIterator[tuple[Databases, Sequence[Api]]]:
    """A primary with a standby, and two servers on them."""
    async with AsyncExitStack() as stack:
        databases = await asyncio.to_thread(stack.enter_context, running_databases(standby=True))
        hosts = await stack.enter_async_context(running_hosts(directory, databases.url))
        yield databases, await stack.enter_async_context(clients(hosts))


async def until_ready(apis: Sequence[Api]) -> None:
    async with asyncio.timeout(SECONDS):
        for api in apis:
            while (await api.call("GET", "/readyz")).code != 200:
                pass


async def write(api: Api, prefix: str, acknowledged: list[str], over: asyncio.Event) -> None:
    """Create one object after the other; what is refused for now may have been made or not."""
    number = 0
    while not over.is_set():
        number += 1
        name = f"{prefix}-{number}"
        code = (await api.call("POST", CONFIG_MAP.path, CONFIG_MAP.manifest(name))).code
        assert code in (201, 503), code
        if code == 201:
            acknowledged.append(name)


async def take_until(watch: Watch, name: str) -> list[str]:
    """Return the names of what is created, to the one called ``name``."""
    seen: list[str] = []
    while not seen or seen[-1] != name:
        [(kind, created)] = told([await watch.next()])
        assert kind == "ADDED"
        seen.append(created)
    return seen


async def test_a_standby_that_has_all_takes_over_and_nobody_loses_anything(tmp_path: Path) -> None:
    async with two_of_each(tmp_path) as (databases, apis):
        primary, standby = databases.clusters
        primary.run("ALTER SYSTEM SET synchronous_standby_names = standby")
        primary.run("SELECT pg_reload_conf()")
        begin = revision((await apis[0].call("GET", CONFIG_MAP.path)).body)
        acknowledged: list[str] = []
        over = asyncio.Event()
        async with AsyncExitStack() as stack:
            watches = [
                await stack.enter_async_context(watching(api, CONFIG_MAP.path, resourceVersion=begin)) for api in apis
            ]
            async with asyncio.TaskGroup() as group:
                for number in range(WRITERS):
                    group.create_task(write(apis[number % 2], f"w{number}", acknowledged, over))
                while len(acknowledged) < 10 * WRITERS:
                    await watches[0].next()
                before = len(acknowledged)
                await asyncio.to_thread(databases.promote)
                await until_ready(apis)
                while len(acknowledged) < before + 10 * WRITERS:
                    await apis[0].get(CONFIG_MAP, "w0-1")
                over.set()
            await apis[0].create(CONFIG_MAP, "last")
            seen = await take_until(watches[1], "last")
        names = {each["metadata"]["name"] for each in (await apis[1].call("GET", CONFIG_MAP.path)).body["items"]}
        assert set(acknowledged) <= set(seen) <= names
        assert len(seen) == len(set(seen))
        assert standby.run("SELECT pg_is_in_recovery()") == "f"


async def test_a_standby_that_lacks_writes_takes_over_and_everybody_begins_anew(tmp_path: Path) -> None:
    async with two_of_each(tmp_path) as (databases, apis):
        _, standby = databases.clusters
        kept = await apis[0].create(CONFIG_MAP, "kept")
        while standby.run("SELECT max(revision) FROM history") != revision(kept):
            await asyncio.to_thread(standby.run, "SELECT pg_wal_replay_resume()")
        standby.run("ALTER SYSTEM SET primary_conninfo = ''")
        standby.run("SELECT pg_reload_conf()")
        while standby.run("SELECT count(*) FROM pg_stat_wal_receiver") != "0":
            pass
        async with AsyncExitStack() as stack:
            watches = [
                await stack.enter_async_context(watching(api, CONFIG_MAP.path, resourceVersion=revision(kept)))
                for api in apis
            ]
            lost = [await apis[0].create(CONFIG_MAP, f"lost{number}") for number in range(3)]
            for watch in watches:
                assert len(await watch.take(3)) == 3
            await asyncio.to_thread(databases.promote)
            for watch in watches:
                event = await watch.next()
                assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
        await until_ready(apis)
        for api in apis:
            listed = (await api.call("GET", CONFIG_MAP.path)).body
            assert not any(each["metadata"]["name"].startswith("lost") for each in listed["items"])
            assert int(revision(listed)) > int(revision(lost[-1]))
            async with watching(api, CONFIG_MAP.path, resourceVersion=revision(lost[-1])) as resumed:
                assert (await resumed.next())["object"]["code"] == 410
        again = await apis[1].create(CONFIG_MAP, "lost0")
        assert await apis[0].get(CONFIG_MAP, "lost0") == again
