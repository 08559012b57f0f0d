import asyncio
from contextlib import aclosing

import pytest
from aiohttp import web

from client.api import ApiError, Client
from client.kinds import CONFIG_MAP, NODE
from tests.client.standin import StandIn


def config_map(name: str = "one", **fields: object) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, **fields}


async def test_what_is_created_can_be_read_listed_changed_and_deleted(client: Client) -> None:
    created = await client.create(CONFIG_MAP, config_map(data={"a": "1"}))
    changed = await client.update(CONFIG_MAP, {**created, "data": {"a": "2"}})
    patched = await client.patch(CONFIG_MAP, "one", "default", {"data": {"b": "3"}})
    assert patched["data"] == {"a": "2", "b": "3"}
    assert (await client.get(CONFIG_MAP, "one", "default")) == patched
    assert (await client.list(CONFIG_MAP))["items"] == [patched]
    assert changed["metadata"]["uid"] == patched["metadata"]["uid"]
    await client.delete(CONFIG_MAP, "one", "default", uid=patched["metadata"]["uid"])
    assert (await client.list(CONFIG_MAP, "default"))["items"] == []


async def test_listed_items_say_what_they_are(client: Client, server: StandIn) -> None:
    await server.put("nodes", {"metadata": {"name": "a"}})
    (item,) = (await client.list(NODE))["items"]
    assert (item["apiVersion"], item["kind"]) == ("v1", "Node")


async def test_a_client_says_who_it_is(client: Client, server: StandIn) -> None:
    await client.list(CONFIG_MAP)
    assert [agent.partition("/")[0] for agent in server.agents] == ["tests"]


async def test_errors_tell_missing_taken_and_changed_apart(client: Client) -> None:
    with pytest.raises(ApiError) as missing:
        await client.get(CONFIG_MAP, "one", "default")
    created = await client.create(CONFIG_MAP, config_map())
    with pytest.raises(ApiError) as taken:
        await client.create(CONFIG_MAP, config_map())
    await client.update(CONFIG_MAP, created)
    with pytest.raises(ApiError) as stale:
        await client.update(CONFIG_MAP, created)
    with pytest.raises(ApiError) as other:
        await client.delete(CONFIG_MAP, "one", "default", uid="another")
    told = [(e.value.not_found, e.value.already_exists, e.value.conflict) for e in (missing, taken, stale, other)]
    assert told == [(True, False, False), (False, True, False), (False, False, True), (False, False, True)]


async def test_an_answer_that_is_no_status_is_quoted(client: Client, server: StandIn) -> None:
    server.refuse["GET", "configmaps"] = web.Response(status=502, text="<html>bad gateway</html>")
    with pytest.raises(ApiError, match="502 Unknown: <html>bad gateway</html>"):
        await client.get(CONFIG_MAP, "one", "default")


async def test_a_dict_is_sent_as_merge_patch_and_a_list_as_json_patch(client: Client, server: StandIn) -> None:
    seen: list[str] = []
    original = server.handle

    async def note(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers["Content-Type"])
        return await original(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", note)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client._host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    await server.put("configmaps", config_map())
    await client.patch(CONFIG_MAP, "one", "default", {})
    with pytest.raises(ApiError):
        await client.patch(CONFIG_MAP, "two", "default", [{"op": "remove", "path": "/data"}])
    await runner.cleanup()
    assert seen == ["application/merge-patch+json", "application/json-patch+json"]


async def test_a_watch_yields_every_change_after_its_revision(client: Client, server: StandIn) -> None:
    first = await server.put("configmaps", config_map())
    watch = client.watch(CONFIG_MAP, resource_version=first["metadata"]["resourceVersion"])
    # Longer than any line limit of the transport.
    await server.put("configmaps", config_map("two", data={"long": "x" * 5_000_000}))
    await client.delete(CONFIG_MAP, "one", "default")
    async with aclosing(watch), asyncio.timeout(10):
        seen = [(await anext(watch)) for _ in range(2)]
    assert [(kind, obj["metadata"]["name"]) for kind, obj in seen] == [("ADDED", "two"), ("DELETED", "one")]


async def test_an_expired_watch_is_an_error(client: Client, server: StandIn) -> None:
    await server.put("configmaps", config_map())
    server.compact()
    async with aclosing(client.watch(CONFIG_MAP, resource_version="0")) as watch:
        with pytest.raises(ApiError) as caught:
            await anext(watch)
    assert caught.value.expired


async def test_a_server_that_is_not_there_is_unreachable(client: Client, unused_tcp_port: int) -> None:
    client._host = f"http://127.0.0.1:{unused_tcp_port}"
    with pytest.raises(ApiError) as caught:
        await client.get(CONFIG_MAP, "one", "default")
    assert caught.value.unreachable


async def test_a_watch_on_a_connection_that_went_silent_ends(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("client.api.WATCH_SILENCE_SECONDS", 0.1)
    async with asyncio.timeout(10), aclosing(client.watch(CONFIG_MAP, resource_version="0")) as events:
        with pytest.raises(ApiError) as caught:
            await anext(events)
    assert caught.value.unreachable
