"""Whom the server trusts is what the cluster says at that moment; and what happens when one of the two is away."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import orjson
import pytest

from tests.aggregation.conftest import CONFIG, TRUST, World, a_world, eventually, trust
from tests.aggregation.machines import machine, machines
from tests.aggregator import FrontProxy
from tests.conformance.users import CLUSTER_BINDING, grant

EVE = {"X-Remote-User": "eve"}
MASTERS = {"X-Remote-User": "root", "X-Remote-Group": "system:masters"}
VIEWED = machines().path


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """One of its own for each test."""
    async with a_world(tmp_path) as world:
        yield world


async def ask(
    world: World, path: str = VIEWED, *, proxy: FrontProxy | None = None, method: str = "GET", **headers: str
) -> tuple[int, bytes]:
    """What the aggregated server answers the front proxy, or who says to be that; 0 where TLS refuses them."""
    backend = world.aggregator.aggregated
    context = proxy.context(world.aggregated.pki.authority) if proxy else backend.context
    url = f"https://127.0.0.1:{backend.port}{path}"
    try:
        async with aiohttp.request(method, url, headers=headers or MASTERS, ssl=context) as answer:
            return answer.status, await answer.read()
    except aiohttp.ClientError:
        return 0, b""


async def test_another_front_proxy_takes_the_place_of_the_first(tmp_path: Path, world: World) -> None:
    other = FrontProxy(tmp_path / "other")
    misnamed = FrontProxy(tmp_path / "misnamed", name="somebody")

    async def others_turn() -> bool:
        return (await ask(world, proxy=other))[0] == 200

    assert not await others_turn()
    authorities = {"requestheader-client-ca-file": other.authority + misnamed.authority}
    await world.admin.patch(TRUST, CONFIG, {"data": authorities})
    await eventually(others_turn)
    assert (await ask(world))[0] in {0, 401}
    assert (await ask(world, proxy=misnamed))[0] == 401
    await world.admin.patch(TRUST, CONFIG, {"data": {"requestheader-allowed-names": '["somebody"]'}})

    async def misnamed_ones_turn() -> bool:
        return (await ask(world, proxy=misnamed))[0] == 200

    await eventually(misnamed_ones_turn)
    assert (await ask(world, proxy=other))[0] == 401


async def test_nobody_is_trusted_while_the_cluster_says_nothing(world: World) -> None:
    stays = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=world.aggregator.aggregated.context))
    url = f"https://127.0.0.1:{world.aggregated.port}"

    async def refused() -> bool:
        async with stays.get(f"{url}{VIEWED}", headers=MASTERS) as answer:
            return answer.status == 401

    async def ready() -> bool:
        anyone = ssl.create_default_context(cafile=str(world.aggregated.pki.authority))
        async with stays.get(f"{url}/readyz", ssl=anyone) as answer:
            return answer.status == 200

    async with stays:
        assert not await refused()
        assert await ready()
        assert (await world.admin.call("DELETE", f"{TRUST.path}/{CONFIG}")).code == 200
        # The same connection: what TLS has verified before does not count.
        await eventually(refused)
        assert not await ready()
        proxy = FrontProxy(world.directory / "next")
        await trust(world.admin, world.cluster, proxy, role=False)
        await eventually(ready)
        assert (await ask(world, proxy=proxy))[0] == 200


async def test_without_the_server_the_rest_of_the_cluster_goes_on(world: World) -> None:
    await world.serving.aclose()
    answer = await world.admin.call("GET", VIEWED)
    assert answer.code == 503
    assert (await world.admin.call("GET", "/api/v1/namespaces")).code == 200
    groups = {each["name"] for each in (await world.admin.call("GET", "/apis")).body["groups"]}
    assert "apps" in groups
    assert "kubevirt.io" not in groups


async def test_without_the_cluster_what_is_known_is_told_and_the_rest_refused(world: World) -> None:
    await grant(world.admin, "eve", CLUSTER_BINDING, "view")
    assert (await world.admin.call("POST", VIEWED, machine("one"))).code == 201
    assert (await ask(world, **EVE))[0] == 200
    await world.running.aclose()
    # The answer of before is good for some seconds, administrators need none, and discovery is from memory.
    for path, headers in ((VIEWED, EVE), (VIEWED, MASTERS), ("/apis/kubevirt.io/v1", MASTERS)):
        assert (await ask(world, path, **headers))[0] == 200, path
    code, body = await ask(world, f"{VIEWED}/one", **EVE)
    assert (code, orjson.loads(body)["reason"]) == (503, "ServiceUnavailable")

    async def unready() -> bool:
        return (await ask(world, "/readyz/cluster"))[0] == 500

    await eventually(unready)
    assert (await ask(world, "/livez"))[0] == 200
