import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from client.api import Client
from client.informer import Informer
from client.kinds import CONFIG_MAP
from tests.client.standin import StandIn, failure


def config_map(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default", "labels": labels}}


class Seen:
    """Notes what a handler is told, and lets a test wait for it."""

    def __init__(self) -> None:
        self.changes: list[tuple[str | None, str | None]] = []
        self._more = asyncio.Event()

    def __call__(self, old: Any, new: Any) -> None:
        self.changes.append((old and old["metadata"]["uid"], new and new["metadata"]["uid"]))
        self._more.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.changes) < count:
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def running(informer: Informer) -> AsyncIterator[Informer]:
    task = asyncio.create_task(informer.run())
    try:
        async with asyncio.timeout(10):
            await informer.synced.wait()
        yield informer
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_it_knows_what_was_there_and_what_comes(client: Client, server: StandIn) -> None:
    await server.put("configmaps", config_map("one"))
    seen = Seen()
    async with running(Informer(client, CONFIG_MAP)) as informer:
        informer.add_handler(seen)
        await server.put("configmaps", config_map("two"))
        await seen.until(2)
        await client.delete(CONFIG_MAP, "one", "default")
        await seen.until(3)
        assert seen.changes == [(None, "uid-1"), (None, "uid-2"), ("uid-1", None)]
        assert informer.get("one", "default") is None
        assert [each["metadata"]["name"] for each in informer.all()] == ["two"]


async def test_an_index_follows_changes(client: Client, server: StandIn) -> None:
    seen = Seen()
    by_color = {"color": lambda obj: [obj["metadata"]["labels"].get("color", "")]}
    async with running(Informer(client, CONFIG_MAP, indexers=by_color)) as informer:
        informer.add_handler(seen)
        await server.put("configmaps", config_map("one", color="red"))
        await server.put("configmaps", config_map("one", color="blue"))
        await seen.until(2)
        assert informer.by_index("color", "red") == []
        assert [each["metadata"]["name"] for each in informer.by_index("color", "blue")] == ["one"]


async def test_after_410_it_lists_again_and_tells_of_deletions_it_missed(client: Client, server: StandIn) -> None:
    seen = Seen()
    await server.put("configmaps", config_map("one"))
    informer = Informer(client, CONFIG_MAP)
    informer.add_handler(seen)
    async with running(informer):
        pass
    await client.delete(CONFIG_MAP, "one", "default")
    await server.put("configmaps", config_map("two"))
    server.compact()
    async with running(informer):
        await seen.until(3)
    assert sorted(seen.changes, key=str) == sorted([(None, "uid-1"), ("uid-1", None), (None, "uid-2")], key=str)


async def test_a_name_with_a_new_uid_is_a_deletion_and_an_addition(client: Client, server: StandIn) -> None:
    seen = Seen()
    await server.put("configmaps", config_map("one"))
    informer = Informer(client, CONFIG_MAP)
    informer.add_handler(seen)
    async with running(informer):
        pass
    await client.delete(CONFIG_MAP, "one", "default")
    await server.put("configmaps", config_map("one"))
    server.compact()
    async with running(informer):
        await seen.until(3)
    assert seen.changes == [(None, "uid-1"), ("uid-1", None), (None, "uid-2")]


async def test_it_survives_a_failing_list_and_a_broken_watch(client: Client, server: StandIn) -> None:
    server.refuse["GET", "configmaps"] = failure(503, "ServiceUnavailable")
    seen = Seen()
    async with running(Informer(client, CONFIG_MAP)) as informer:
        informer.add_handler(seen)
        await server.put("configmaps", config_map("one"))
        await seen.until(1)
        server.drop_watches()
        await server.put("configmaps", config_map("two"))
        await seen.until(2)
    assert seen.changes == [(None, "uid-1"), (None, "uid-2")]


async def test_an_own_write_is_known_at_once_and_told_once(client: Client, server: StandIn) -> None:
    seen = Seen()
    await server.put("configmaps", config_map("one"))
    async with running(Informer(client, CONFIG_MAP)) as informer:
        informer.add_handler(seen)
        written = await client.patch(CONFIG_MAP, "one", "default", {"data": {"a": "1"}})
        informer.observe(written)
        known = informer.get("one", "default")
        assert known is not None
        assert known["data"] == {"a": "1"}
        await server.put("configmaps", config_map("two"))
        await seen.until(3)
    assert seen.changes == [(None, "uid-1"), ("uid-1", "uid-1"), (None, "uid-2")]


async def test_an_own_write_never_brings_back_what_was_deleted(client: Client, server: StandIn) -> None:
    written = await server.put("configmaps", config_map("one"))
    await client.delete(CONFIG_MAP, "one", "default")
    async with running(Informer(client, CONFIG_MAP)) as informer:
        informer.observe(written)
        assert informer.all() == []
