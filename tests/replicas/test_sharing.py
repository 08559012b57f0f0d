"""Servers that share a database and keys are one cluster."""

import asyncio
import itertools
from typing import Any

import aiohttp
import pytest

from tests.conformance.api import CONFIG_MAP, SECONDS, Api, Kind, connected
from tests.conformance.watching import Watch, revision, watching
from tests.replicas.databases import Databases
from tests.replicas.hosts import Host
from tests.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

Hosts = tuple[Host, Host]
Apis = tuple[Api, Api]
SECRET = Kind("Secret", "", "v1", "secrets", "default")
ACCOUNT = Kind("ServiceAccount", "", "v1", "serviceaccounts", "default")
WRITERS, WRITES = 4, 15
LISTENING = "FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
PROMPT_SECONDS = 3.0
"""How soon another server's writes must come although nobody tells of them; it looks every second."""
_numbers = itertools.count()


async def test_what_one_server_gave_is_good_at_the_other(hosts: Hosts, apis: Apis) -> None:
    one, two = apis
    await one.create(ACCOUNT, "ada")
    asked: dict[str, Any] = {"spec": {"expirationSeconds": 3600}}
    token = (await one.call("POST", f"{ACCOUNT.path}/ada/token", asked)).body["status"]["token"]
    await two.call("GET", ACCOUNT.path)  # so that it knows the account
    review = await two.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": token}})
    assert review.body["status"]["user"]["username"] == "system:serviceaccount:default:ada"
    there = Server(hosts[1].home, hosts[1].port, hosts[0].server.pki)
    async with connected(there) as session:  # with the certificate and the authority of the first
        assert (await Api(session).call("GET", CONFIG_MAP.path)).code == 200
    secret = {**SECRET.manifest("s"), "stringData": {"a": "b"}}
    assert (await one.call("POST", SECRET.path, secret)).code == 201
    assert (await two.call("GET", f"{SECRET.path}/s")).body["data"] == {"a": "Yg=="}


async def write(api: Api, name: str) -> None:
    """Create, change and delete one object."""
    await api.create(CONFIG_MAP, name)
    await api.patch(CONFIG_MAP, name, {"data": {"a": "b"}})
    await api.delete(CONFIG_MAP, name)


async def write_much(apis: Apis) -> None:
    """Write at both servers, many at once."""
    prefix = f"much{next(_numbers)}"

    async def work(api: Api, writer: str) -> None:
        for number in range(WRITES):
            await write(api, f"{prefix}-{writer}-{number}")

    await asyncio.gather(*(work(api, f"{place}-{n}") for place, api in enumerate(apis) for n in range(WRITERS)))


async def newest(api: Api) -> str:
    return revision((await api.call("GET", CONFIG_MAP.path)).body)


async def events(watch: Watch, count: int) -> list[tuple[str, str, str]]:
    return [
        (event["type"], event["object"]["metadata"]["name"], revision(event["object"]))
        for event in await watch.take(count)
    ]


async def test_writes_at_both_have_one_order_and_a_watch_goes_on_at_the_other(apis: Apis) -> None:
    one, two = apis
    begin, count = await newest(one), 2 * WRITERS * WRITES * 3
    async with (
        watching(one, CONFIG_MAP.path, resourceVersion=begin) as here,
        watching(two, CONFIG_MAP.path, resourceVersion=begin) as there,
    ):
        writing = asyncio.ensure_future(write_much(apis))
        seen, first_half = await asyncio.gather(events(here, count), events(there, count // 2))
        async with watching(one, CONFIG_MAP.path, resourceVersion=first_half[-1][2]) as resumed:
            second_half = await events(resumed, count - count // 2)
        await writing
    assert [*first_half, *second_half] == seen
    revisions = [int(told) for _, _, told in seen]
    assert revisions == sorted(set(revisions))


async def test_writes_arrive_although_nobody_is_told_of_them(databases: Databases, apis: Apis) -> None:
    one, two = apis
    [cluster] = databases.clusters
    async with watching(two, CONFIG_MAP.path, resourceVersion=await newest(two)) as watch:
        assert int(cluster.run(f"SELECT count(pg_terminate_backend(pid)) {LISTENING}")) == 2
        name = f"untold{next(_numbers)}"
        async with asyncio.timeout(PROMPT_SECONDS):
            await write(one, name)
            assert [each for _, each, _ in await events(watch, 3)] == [name] * 3
        async with asyncio.timeout(SECONDS):
            while await asyncio.to_thread(cluster.run, f"SELECT count(*) {LISTENING}") != "2":
                pass


async def test_a_server_that_stands_still_holds_up_nobody_and_tells_the_truth_afterwards(
    hosts: Hosts, apis: Apis
) -> None:
    (one, two), slow = apis, hosts[1]
    begin = await newest(two)
    async with watching(two, CONFIG_MAP.path, resourceVersion=begin) as watch:
        # Whatever it is at just then, it may be holding the lock of all writes.
        busy = asyncio.ensure_future(write_much((two, two)))
        await events(watch, WRITERS)
        slow.pause()
        try:
            reading = asyncio.ensure_future(two.call("GET", CONFIG_MAP.path))
            written = await one.create(CONFIG_MAP, "meanwhile")
        finally:
            slow.resume()
        late = await reading
        assert late.code == 503 or int(revision(late.body)) >= int(revision(written))
        assert await two.get(CONFIG_MAP, "meanwhile") == written
        await asyncio.wait((busy,))
        failed = busy.exception()  # what it had begun may have failed
        assert failed is None or isinstance(failed, AssertionError | aiohttp.ClientError), failed
        end = await one.create(CONFIG_MAP, "end")
        told = []
        while not told or told[-1] != revision(end):
            told += [each for _, _, each in await events(watch, 1)]
    assert revision(written) in told
    assert told == sorted(set(told), key=int)
