"""Every server is replaced, one after the other, and no client notices."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import aiohttp
import orjson
import pytest

from tests.conformance.api import CONFIG_MAP, Api
from tests.replicas.balancer import Balancer, balancing
from tests.replicas.databases import Databases
from tests.replicas.hosts import Host, running_hosts

CLIENTS = 6
DELAY_SECONDS = 2


@pytest.fixture
async def upgradable(databases: Databases, tmp_path: Path) -> AsyncIterator[tuple[Host, Host]]:
    """Two servers that wait for their clients to leave."""
    settings = {"shutdown_delay": str(DELAY_SECONDS)}
    async with running_hosts(tmp_path, databases.url, settings=settings) as (one, two):
        yield one, two


async def replace_all(hosts: tuple[Host, Host], balancer: Balancer) -> None:
    for host in hosts:
        await host.stop()
        await host.start()
        balancer.seen.clear()
        await balancer.seen.wait()


async def work(api: Api, number: int, done: asyncio.Event) -> int:
    """Write and read; every answer is the right one."""
    count, name = 0, f"worker{number}"
    created = await api.create(CONFIG_MAP, name)
    while not done.is_set():
        count += 1
        changed = await api.patch(CONFIG_MAP, name, {"data": {"count": str(count)}})
        assert changed["metadata"]["uid"] == created["metadata"]["uid"]
        found = await api.get(CONFIG_MAP, name)
        assert found == changed
        listed = await api.call("GET", CONFIG_MAP.path, limit="3")
        assert listed.code == 200
    return count


async def watch(api: Api, begin: str, done: asyncio.Event) -> list[str]:
    """Follow all changes, from wherever a watch ended; return their revisions."""
    seen = [begin]
    limit = aiohttp.ClientTimeout(total=None)
    while not done.is_set():
        query = {"watch": "true", "resourceVersion": seen[-1], "timeoutSeconds": "3"}
        async with api.session.get(CONFIG_MAP.path, params=query, timeout=limit) as answer:
            assert answer.status == 200
            async for line in answer.content:
                event = orjson.loads(line)
                assert event["type"] in ("ADDED", "MODIFIED", "DELETED")
                seen.append(event["object"]["metadata"]["resourceVersion"])
    return seen


async def test_no_request_fails_while_all_servers_are_replaced(upgradable: tuple[Host, Host]) -> None:
    async with AsyncExitStack() as stack:
        balancer, port = await stack.enter_async_context(balancing(upgradable))
        balanced = replace(upgradable[0], port=port)
        apis = [Api(await stack.enter_async_context(balanced.session())) for _ in range(CLIENTS)]
        done = asyncio.Event()
        begin = (await apis[0].call("GET", CONFIG_MAP.path)).body["metadata"]["resourceVersion"]
        async with asyncio.TaskGroup() as group:
            working = [group.create_task(work(api, number, done)) for number, api in enumerate(apis)]
            watching = [group.create_task(watch(api, begin, done)) for api in apis]
            await replace_all(upgradable, balancer)
            done.set()
    assert all(each.result() > 1 for each in working)
    shortest = min(len(each.result()) for each in watching)
    assert shortest > CLIENTS
    assert len({tuple(each.result()[:shortest]) for each in watching}) == 1
