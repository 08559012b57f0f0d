"""While the database is away, what is known is told, what cannot be done is refused soon, and nothing stops for good.

What kube-apiserver does without etcd (``k8s.io/apiserver/pkg/storage/cacher``): reads that name a resourceVersion are
answered from the watch cache; those that want the newest state are not, since nobody can know it.
"""

import asyncio
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver.storage.postgresql import Cluster, frozen, running_cluster
from tests.conformance.api import CONFIG_MAP, KINDS, Answer, Api, Kind, Object, connected
from tests.conformance.watching import Event, revision, told, watching
from tests.server import running_server

AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]  # only root mounts and forbids to write
SOON = 2.5
"""Seconds: less than anybody waits for a database, and more than a busy machine takes for what is in memory."""
BOUNDED = 15.0
"""Seconds after which everybody has an answer."""
DOCUMENTS = ("/api", "/apis", "/apis/kubevirt.io", "/apis/kubevirt.io/v1", "/api/v1", "/openapi/v2", "/openapi/v3")
DISK_BYTES = 4 << 20
LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""
_numbers = itertools.count(1)

Outage = AbstractContextManager[None]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL that these tests alone may break."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def database(cluster: Cluster) -> str:
    """The name of an empty database there."""
    name = f"outage{next(_numbers)}"
    cluster.run(f"CREATE DATABASE {name}")
    return name


@pytest.fixture
async def on_postgresql(cluster: Cluster, database: str, tmp_path: Path) -> AsyncIterator[Api]:
    """The administrator of a server on PostgreSQL."""
    async with running_server(tmp_path, database_url=url_of(cluster, database)) as server, connected(server) as session:
        yield Api(session)


def url_of(cluster: Cluster, database: str) -> str:
    return cluster.url.replace("/postgres?", f"/{database}?")


@contextmanager
def killed(cluster: Cluster) -> Generator[None]:
    cluster.kill()
    try:
        yield
    finally:
        cluster.start()


@pytest.fixture(params=["frozen", "killed"])
def away(request: pytest.FixtureRequest, cluster: Cluster) -> Outage:
    """Takes PostgreSQL away for a while."""
    return killed(cluster) if request.param == "killed" else frozen(cluster.url)


@pytest.fixture
def disk() -> Iterator[Path]:
    """A file system with little room; not in pytest's directory, which could not be removed after a kill."""
    path = Path(tempfile.mkdtemp(prefix="virtplane-disk-"))
    options = f"size={DISK_BYTES},uid={os.geteuid()},mode=700"
    subprocess.run([*AS_ROOT, "mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=True)
    try:
        yield path
    finally:
        subprocess.run([*AS_ROOT, "umount", path], check=True)
        path.rmdir()


@contextmanager
def full(disk: Path) -> Generator[None]:
    """Leave no room."""
    filler = disk / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4096", "status=none"], check=False, capture_output=True)
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def read_only(database: Path) -> Generator[None]:
    """Let nobody write to a SQLite database, not even who has it open."""
    files = [str(database), f"{database}-wal"]
    subprocess.run([*AS_ROOT, "chattr", "+i", *files], check=True)
    try:
        yield
    finally:
        subprocess.run([*AS_ROOT, "chattr", "-i", *files], check=True)


@contextmanager
def locked(database: Path) -> Generator[None]:
    """Let another process be about to write to a SQLite database."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", LOCK, str(database)], stdin=pipe, stdout=pipe) as other:
        assert other.stdout
        assert other.stdout.readline() == b"locked\n"
        yield
        other.communicate()


async def timed(api: Api, method: str, path: str, body: object = None, **query: str) -> tuple[Answer, float]:
    started = time.perf_counter()
    answer = await api.call(method, path, body, **query)
    return answer, time.perf_counter() - started


async def answered(api: Api, path: str, **query: str) -> Any:
    """Read what must be answered from memory."""
    answer, seconds = await timed(api, "GET", path, **query)
    assert answer.code == 200, (path, answer.body)
    assert seconds < SOON, (path, seconds)
    return answer.body


async def refused(api: Api, method: str, path: str, body: object = None, **query: str) -> None:
    """Ask for what cannot be done for now."""
    answer, seconds = await timed(api, method, path, body, **query)
    assert (answer.code, answer.body["reason"]) == (503, "ServiceUnavailable"), (method, path, answer.body)
    assert answer.body["details"]["retryAfterSeconds"] == int(answer.headers["Retry-After"]) > 0
    assert seconds < BOUNDED, (method, path, seconds)


async def every_write_is_refused(api: Api, kind: Kind) -> None:
    one = f"{kind.path}/one"
    changed = kind.manifest("one", labels={"changed": "yes"})
    merge, apply = "application/merge-patch+json", "application/apply-patch+yaml"
    await asyncio.gather(
        refused(api, "POST", kind.path, kind.manifest("two")),
        refused(api, "PUT", one, changed),
        refused(api, "PATCH", one, {"metadata": {"labels": {"changed": "yes"}}}, content_type=merge),
        refused(api, "PATCH", one, changed, content_type=apply, fieldManager="me", force="true"),
        refused(api, "DELETE", one),
        refused(api, "DELETE", kind.path),
    )


async def health(api: Api) -> tuple[int, int]:
    """Return what /readyz and /livez say."""
    answers = [await timed(api, "GET", path) for path in ("/readyz", "/livez")]
    assert max(seconds for _, seconds in answers) < 3
    return answers[0][0].code, answers[1][0].code


async def until_ready(api: Api) -> None:
    async with asyncio.timeout(BOUNDED):
        while (await api.call("GET", "/readyz")).code != 200:
            pass


async def names(api: Api, kind: Kind, **query: str) -> list[str]:
    return [item["metadata"]["name"] for item in (await answered(api, kind.path, **query))["items"]]


async def short_watch(api: Api, kind: Kind, one: Object) -> list[Event]:
    """Watch until the timeout, and return what was told."""
    query = {"allowWatchBookmarks": "true", "timeoutSeconds": "3"}
    async with watching(api, kind.path, resourceVersion=revision(one), **query) as watch:
        return await watch.rest()


async def the_newest_state_is_refused(api: Api, kind: Kind) -> None:
    async with watching(api, kind.path) as watch:
        await asyncio.gather(refused(api, "GET", kind.path), refused(api, "GET", f"{kind.path}/one"))
        event = await watch.next()
        assert (event["type"], event["object"]["code"]) == ("ERROR", 503)


async def a_known_state_is_told(api: Api, kind: Kind, one: Object) -> None:
    for query in ({"resourceVersion": "0"}, {"resourceVersion": revision(one)}):
        assert await answered(api, f"{kind.path}/one", **query) == one
        assert await names(api, kind, **query) == ["one"]
    assert await names(api, kind, resourceVersion=revision(one), resourceVersionMatch="Exact") == ["one"]
    late, seconds = await timed(api, "GET", kind.path, resourceVersion="1000000")
    assert (late.code, late.body["reason"]) == (504, "Timeout")
    assert seconds < 5


async def test_postgresql_goes_away_and_comes_back(away: Outage, on_postgresql: Api) -> None:
    api = on_postgresql
    for kind in KINDS:
        await api.create(kind, "gone")
        await api.delete(kind, "gone")
    ones = [await api.create(kind, "one") for kind in KINDS]
    newest = revision(ones[-1])
    async with AsyncExitStack() as stack:
        watches = [await stack.enter_async_context(watching(api, kind.path, resourceVersion=newest)) for kind in KINDS]
        with away:
            for path in DOCUMENTS:
                await answered(api, path)
            assert await health(api) == (500, 200)
            ending = asyncio.ensure_future(short_watch(api, CONFIG_MAP, ones[0]))
            await asyncio.gather(
                *(a_known_state_is_told(api, kind, one) for kind, one in zip(KINDS, ones, strict=True)),
                *(the_newest_state_is_refused(api, kind) for kind in KINDS),
                *(every_write_is_refused(api, kind) for kind in KINDS),
            )
            bookmarks = [(event["type"], revision(event["object"])) for event in await ending]
            assert bookmarks == [("BOOKMARK", newest)]
            assert await health(api) == (500, 200)
        await until_ready(api)
        for kind, one, watch in zip(KINDS, ones, watches, strict=True):
            assert await api.get(kind, "one") == one
            late = [name for name in await names(api, kind) if name != "one"]
            # The one write that reads nothing before got no answer, and what stood still may make it when it goes on.
            assert not late or (late == ["two"] and not kind.namespace)
            created = await api.create(kind, "three")
            told = [(await watch.next())["object"] for _ in (*late, created)]
            assert [each["metadata"]["name"] for each in told] == [*late, "three"]
            assert told[-1] == created


async def test_all_connections_end(cluster: Cluster, on_postgresql: Api) -> None:
    api = on_postgresql
    one = await api.create(CONFIG_MAP, "one")
    async with watching(api, CONFIG_MAP.path, resourceVersion=revision(one)) as watch:
        cluster.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        await until_ready(api)
        assert await names(api, CONFIG_MAP) == ["one"]
        await api.create(CONFIG_MAP, "two")
        assert told([await watch.next()]) == [("ADDED", "two")]


async def test_the_server_stops_soon_while_postgresql_is_away(
    away: Outage, cluster: Cluster, database: str, tmp_path: Path
) -> None:
    async with AsyncExitStack() as clients, AsyncExitStack() as serving:
        server = await serving.enter_async_context(running_server(tmp_path, database_url=url_of(cluster, database)))
        api = Api(await clients.enter_async_context(connected(server)))
        one = await api.create(CONFIG_MAP, "one")
        clients.enter_context(away)
        query = {"resourceVersion": revision(one), "allowWatchBookmarks": "true"}
        watch = await clients.enter_async_context(watching(api, CONFIG_MAP.path, **query))
        write = asyncio.ensure_future(api.call("POST", CONFIG_MAP.path, CONFIG_MAP.manifest("two")))
        await asyncio.wait((write,), timeout=0.2)
        started = time.perf_counter()
        await serving.aclose()
        assert time.perf_counter() - started < BOUNDED
        assert (await write).code == 503
        told_at_last = [(event["type"], revision(event["object"])) for event in await watch.rest()]
        assert told_at_last == [("BOOKMARK", revision(one))]


async def refuses_writes_only(api: Api, kind: Kind, one: Object, outage: Outage, large: str) -> None:
    """Hold a server on SQLite, whose only writer it is, to telling even the newest state while it cannot write."""
    async with watching(api, kind.path, resourceVersion=revision(one)) as watch:
        with outage:
            await refused(api, "POST", kind.path, kind.manifest("two", annotations={"large": large}))
            assert await health(api) == (500, 200)
            for query in ({}, {"resourceVersion": "0"}, {"resourceVersion": revision(one)}):
                assert await answered(api, f"{kind.path}/one", **query) == one
                assert await names(api, kind, **query) == ["one"]
            for path in DOCUMENTS:
                await answered(api, path)
        await until_ready(api)
        assert await names(api, kind) == ["one"]
        created = await api.create(kind, "three")
        assert await watch.next() == {"type": "ADDED", "object": created}


SQLITE: dict[str, Callable[[Path], Outage]] = {"read-only": read_only, "locked": locked}


@pytest.mark.parametrize("outage", SQLITE)
async def test_sqlite_cannot_be_written_to_and_can_again(outage: str, kind: Kind, tmp_path: Path) -> None:
    async with running_server(tmp_path) as server, connected(server) as session:
        api = Api(session)
        one = await api.create(kind, "one")
        await refuses_writes_only(api, kind, one, SQLITE[outage](tmp_path / "log.db"), "")


async def test_the_disk_of_sqlite_is_full_and_has_room_again(disk: Path, kind: Kind, tmp_path: Path) -> None:
    url = f"sqlite:///{disk}/log.db"
    async with running_server(tmp_path, database_url=url) as server, connected(server) as session:
        api = Api(session)
        one = await api.create(kind, "one")
        await refuses_writes_only(api, kind, one, full(disk), "x" * 200_000)
