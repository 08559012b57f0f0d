"""Watches: where they start, what selectors show, bookmarks, and how they end and go on.

Source: Kubernetes API concepts, "Efficient detection of changes"; KEP-3157; KEP-956 (bookmarks).
"""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from apiserver.http import watches as watches_module
from apiserver.storage.sql import SqlLog
from tests.conformance.api import CONFIG_MAP, KINDS, SECONDS, Api, Kind, Object, connected
from tests.conformance.watching import Watch, revision, told, watching
from tests.server import Server, running_server

HERE = {"mark": "here"}
MARK = {"labelSelector": "mark=here"}
"""Leaves out what the server brought with it."""
END = {"k8s.io/initial-events-end": "true"}


async def create(api: Api, kind: Kind, *wanted: str) -> list[Object]:
    return [await api.create(kind, name, labels=HERE) for name in wanted]


async def relabel(api: Api, kind: Kind, name: str, **labels: str | None) -> Object:
    return await api.patch(kind, name, {"metadata": {"labels": labels}})


def is_bookmark(event: dict[str, Any], kind: Kind) -> bool:
    obj = event["object"]
    assert (obj["kind"], obj["apiVersion"]) == (kind.kind, kind.api_version)
    assert "name" not in obj["metadata"]
    return event["type"] == "BOOKMARK"


async def test_a_watch_from_a_revision_brings_what_came_after_it(api: Api, kind: Kind) -> None:
    first, second = await create(api, kind, "one", "two")
    async with watching(api, kind.path, resourceVersion=revision(first)) as watch:
        changed = await relabel(api, kind, "one", changed="yes")
        await api.delete(kind, "two")
        events = await watch.take(3)
    assert told(events) == [("ADDED", "two"), ("MODIFIED", "one"), ("DELETED", "two")]
    assert [event["object"] for event in events[:2]] == [second, changed]
    gone = events[2]["object"]
    assert int(revision(gone)) > int(revision(changed))
    assert gone["metadata"] | {"resourceVersion": ""} == second["metadata"] | {"resourceVersion": ""}


@pytest.mark.parametrize("asked", ["", "0"])
async def test_a_watch_from_nowhere_begins_with_what_is(api: Api, kind: Kind, asked: str) -> None:
    one, two = await create(api, kind, "one", "two")
    async with watching(api, kind.path, resourceVersion=asked, **MARK) as watch:
        events = await watch.take(2)
        await create(api, kind, "three")
        events += await watch.take(1)
    assert told(events) == [("ADDED", "one"), ("ADDED", "two"), ("ADDED", "three")]
    assert [event["object"] for event in events[:2]] == [one, two]


@pytest.mark.parametrize("asked", ["", "0", "known"])
async def test_the_initial_state_ends_with_a_bookmark_that_says_so(api: Api, kind: Kind, asked: str) -> None:
    _, two = await create(api, kind, "one", "two")
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    query["resourceVersion"] = revision(two) if asked == "known" else asked
    async with watching(api, kind.path, **query, **MARK) as watch:
        assert told(await watch.take(2)) == [("ADDED", "one"), ("ADDED", "two")]
        mark = await watch.next()
        assert is_bookmark(mark, kind)
        assert mark["object"]["metadata"]["annotations"] == END
        assert int(revision(mark["object"])) >= int(revision(two))
        await create(api, kind, "three")
        assert told(await watch.take(1)) == [("ADDED", "three")]


async def test_without_bookmarks_no_bookmark_ends_the_initial_state(api: Api, kind: Kind) -> None:
    await create(api, kind, "one")
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    async with watching(api, kind.path, **query, **MARK) as watch:
        await watch.take(1)
        await create(api, kind, "two")
        assert told(await watch.take(1)) == [("ADDED", "two")]


@pytest.mark.parametrize("asked", ["", "0", "known"])
async def test_the_initial_state_can_be_declined(api: Api, kind: Kind, asked: str) -> None:
    [one] = await create(api, kind, "one")
    query = {"sendInitialEvents": "false", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    query["resourceVersion"] = revision(one) if asked == "known" else asked
    async with watching(api, kind.path, **query, **MARK) as watch:
        await create(api, kind, "two")
        assert told(await watch.take(1)) == [("ADDED", "two")]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({"sendInitialEvents": "true"}, ["resourceVersionMatch"]),
        ({"sendInitialEvents": "true", "resourceVersionMatch": "Exact"}, ["resourceVersionMatch"] * 2),
        ({"resourceVersionMatch": "NotOlderThan"}, ["resourceVersionMatch"]),
        ({"resourceVersion": "yesterday"}, ["resourceVersion"]),
    ],
)
async def test_options_that_exclude_each_other_are_refused_before_the_watch_begins(
    api: Api, kind: Kind, query: dict[str, str], fields: list[str]
) -> None:
    answer = await api.call("GET", kind.path, watch="true", **query)
    assert (answer.code, answer.body["reason"]) == (422, "Invalid")
    assert [cause["field"] for cause in answer.body["details"]["causes"]] == fields


async def test_bookmarks_come_regularly_and_shortly_before_the_end(
    api: Api, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches_module, "BOOKMARK_SECONDS", 0.2)
    monkeypatch.setattr(watches_module, "LAST_BOOKMARK_SECONDS", 0.1)
    [one] = await create(api, kind, "one")
    other = CONFIG_MAP if kind is not CONFIG_MAP else KINDS[1]
    query = {"resourceVersion": revision(one), "timeoutSeconds": "1"}
    async with (
        watching(api, kind.path, allowWatchBookmarks="true", **query) as watch,
        watching(api, kind.path, **query) as without,
    ):
        first = await watch.next()
        [elsewhere] = await create(api, other, "elsewhere")
        rest = await watch.rest()
        assert await without.rest() == []
    assert len(rest) >= 3
    assert all(
        is_bookmark(event, kind) and "annotations" not in event["object"]["metadata"] for event in [first, *rest]
    )
    assert int(revision(first["object"])) <= int(revision(rest[-1]["object"]))
    assert int(revision(rest[-1]["object"])) >= int(revision(elsewhere))


async def test_a_short_watch_gets_its_last_bookmark_two_seconds_before_its_end(api: Api, kind: Kind) -> None:
    [one] = await create(api, kind, "one")
    started = asyncio.get_running_loop().time()
    query = {"resourceVersion": revision(one), "timeoutSeconds": "3", "allowWatchBookmarks": "true"}
    async with watching(api, kind.path, **query) as watch:
        assert is_bookmark(await watch.next(), kind)
        after = asyncio.get_running_loop().time() - started
        assert await watch.rest() == []
    assert 0.9 < after < 2.5
    assert asyncio.get_running_loop().time() - started >= 3


async def test_objects_come_and_go_as_they_start_and_stop_to_match(api: Api, kind: Kind) -> None:
    [one] = await create(api, kind, "one")
    async with watching(api, kind.path, resourceVersion=revision(one), labelSelector="phase in (b,c)") as watch:
        states = [await relabel(api, kind, "one", phase=phase) for phase in ("a", "b", "c", "d", "b")]
        await api.delete(kind, "one")
        events = await watch.take(5)
    seen = [(event["type"], event["object"]["metadata"]["labels"]["phase"]) for event in events]
    assert seen == [("ADDED", "b"), ("MODIFIED", "c"), ("DELETED", "c"), ("ADDED", "b"), ("DELETED", "b")]
    assert [revision(event["object"]) for event in events[:4]] == [revision(state) for state in states[1:]]
    last = events[2]["object"]["metadata"]
    assert last == states[2]["metadata"] | {"resourceVersion": revision(states[3])}


async def test_one_object_can_be_watched(api: Api, kind: Kind) -> None:
    one, *_ = await create(api, kind, "one", "two")
    async with watching(api, kind.path, fieldSelector="metadata.name=two", resourceVersion=revision(one)) as watch:
        for name in ("one", "two", "three"):
            await (create(api, kind, name) if name == "three" else relabel(api, kind, name, changed="yes"))
        await api.delete(kind, "two")
        assert told(await watch.take(3)) == [("ADDED", "two"), ("MODIFIED", "two"), ("DELETED", "two")]


async def test_one_object_can_be_watched_by_the_old_path(api: Api, kind: Kind) -> None:
    one, *_ = await create(api, kind, "one", "two")
    path = kind.path.replace("/v1/", "/v1/watch/", 1)
    async with watching(api, f"{path}/two", resourceVersion=revision(one)) as watch:
        await create(api, kind, "three")
        await api.delete(kind, "two")
        assert told(await watch.take(2)) == [("ADDED", "two"), ("DELETED", "two")]
    answer = await api.call("GET", f"{kind.path}/one", watch="true")
    assert answer.body == one


async def test_all_watchers_see_the_same_in_the_same_order(api: Api, kind: Kind) -> None:
    [one] = await create(api, kind, "one")
    async with AsyncExitStack() as stack:
        open_watch = [watching(api, kind.path, resourceVersion=revision(one)) for _ in range(5)]
        opened = [await stack.enter_async_context(each) for each in open_watch]
        names = [f"n{n}" for n in range(20)]
        await asyncio.gather(*(create(api, kind, name) for name in names))
        seen = [await watch.take(20) for watch in opened]
    assert all(events == seen[0] for events in seen)
    revisions = [int(revision(event["object"])) for event in seen[0]]
    assert revisions == sorted(set(revisions))
    assert {name for _, name in told(seen[0])} == set(names)


async def test_a_revision_in_the_future_is_an_error_in_the_watch(api: Api, kind: Kind) -> None:
    async with watching(api, kind.path, resourceVersion="99999999") as watch:
        [error] = await watch.rest()
    status = error["object"]
    assert (error["type"], status["code"], status["reason"]) == ("ERROR", 504, "Timeout")
    assert status["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


@pytest.mark.parametrize("as_kind", ["Table", "PartialObjectMetadata"])
async def test_a_watch_shows_objects_as_they_were_asked_for(api: Api, kind: Kind, as_kind: str) -> None:
    [one] = await create(api, kind, "one")
    accept = f"application/json;as={as_kind};g=meta.k8s.io;v=v1"
    async with watching(api, kind.path, accept, resourceVersion=str(int(revision(one)) - 1)) as watch:
        event = await watch.next()
    assert (event["type"], event["object"]["kind"]) == ("ADDED", as_kind)
    shown = event["object"]["rows"][0]["object"] if as_kind == "Table" else event["object"]
    assert shown["metadata"]["name"] == "one"


async def _stuck(stack: AsyncExitStack, api: Api, path: str, since: str) -> Watch:
    """A watcher that reads nothing: its transport is paused."""
    watch = await stack.enter_async_context(watching(api, path, resourceVersion=since))
    assert watch.response.connection
    assert watch.response.connection.transport
    watch.response.connection.transport.pause_reading()  # type: ignore[attr-defined]
    return watch


async def test_a_watcher_that_does_not_read_holds_up_nobody_and_misses_nothing(api: Api, kind: Kind) -> None:
    [one] = await create(api, kind, "one")
    text = "x" * 200_000
    async with AsyncExitStack() as stack:
        stuck = await _stuck(stack, api, kind.path, revision(one))
        quick = await stack.enter_async_context(watching(api, kind.path, resourceVersion=revision(one)))
        for n in range(60):  # more than all the buffers between the two hold
            await api.patch(kind, "one", {"metadata": {"annotations": {"test/n": f"{n}{text}"}}})
            assert told([await quick.next()]) == [("MODIFIED", "one")]
        assert stuck.response.connection
        assert stuck.response.connection.transport
        stuck.response.connection.transport.resume_reading()  # type: ignore[attr-defined]
        events = await stuck.take(60)
    seen = [event["object"]["metadata"]["annotations"]["test/n"].rstrip("x") for event in events]
    assert seen == [str(n) for n in range(60)]


async def test_a_client_of_http_1_0_is_sent_the_lines_alone(server: Server, api: Api, kind: Kind) -> None:
    [one] = await create(api, kind, "one")
    async with (
        connected(server, version=aiohttp.HttpVersion10) as session,
        watching(Api(session), kind.path, resourceVersion=revision(one)) as watch,
    ):
        assert "Transfer-Encoding" not in watch.response.headers
        for name in ("two", "three"):
            await create(api, kind, name)
            assert told(await watch.take(1)) == [("ADDED", name)]


async def test_a_watch_over_a_websocket_brings_the_same(api: Api, kind: Kind) -> None:
    [one] = await create(api, kind, "one")
    query = {"watch": "true", "resourceVersion": revision(one), "timeoutSeconds": "2"}
    async with asyncio.timeout(SECONDS), api.session.ws_connect(kind.path, params=query) as socket:
        changed = await relabel(api, kind, "one", changed="yes")
        event = await socket.receive_json()
        assert (event["type"], event["object"]) == ("MODIFIED", changed)
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_a_stopping_server_ends_watches_in_order_and_they_go_on_with_the_next(
    tmp_path: Path, database_url: str, kind: Kind
) -> None:
    async with AsyncExitStack() as stack:
        stop = await stack.enter_async_context(AsyncExitStack())
        server = await stop.enter_async_context(running_server(tmp_path, database_url=database_url))
        api = Api(await stack.enter_async_context(connected(server)))
        [one] = await create(api, kind, "one")
        query = {"resourceVersion": revision(one), "allowWatchBookmarks": "true"}
        watch = await stack.enter_async_context(watching(api, kind.path, **query))
        [two] = await create(api, kind, "two")
        assert told(await watch.take(1)) == [("ADDED", "two")]
        changed = await relabel(api, kind, "one", changed="yes")
        ending = asyncio.ensure_future(watch.rest())
        await stop.aclose()
        *events, mark = await ending
    assert told(events) == [("MODIFIED", "one")]
    assert is_bookmark(mark, kind)
    assert int(revision(mark["object"])) >= int(revision(changed))
    async with running_server(tmp_path, database_url=database_url) as server, connected(server) as session:
        api = Api(session)
        async with watching(api, kind.path, resourceVersion=revision(two)) as watch:
            assert [event["object"] for event in await watch.take(1)] == [changed]
            await create(api, kind, "three")
            assert told(await watch.take(1)) == [("ADDED", "three")]
        async with watching(api, kind.path, resourceVersion=revision(mark["object"])) as watch:
            assert told(await watch.take(1)) == [("ADDED", "three")]


async def test_what_was_compacted_cannot_be_watched(tmp_path: Path, database_url: str, kind: Kind) -> None:
    async with running_server(tmp_path, database_url=database_url) as server, connected(server) as session:
        one, two = await create(Api(session), kind, "one", "two")
    async with SqlLog(database_url) as log:
        await log.compact(int(revision(two)))
    async with running_server(tmp_path, database_url=database_url) as server, connected(server) as session:
        async with watching(Api(session), kind.path, resourceVersion=revision(one)) as watch:
            [error] = await watch.rest()
        status = error["object"]
        assert (error["type"], status["kind"], status["code"], status["reason"]) == ("ERROR", "Status", 410, "Expired")
        async with watching(Api(session), kind.path, resourceVersion=revision(two)) as watch:
            await create(Api(session), kind, "three")
            assert ("ADDED", "three") in told(await watch.take(1))
