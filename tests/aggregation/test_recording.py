"""The requests that a real kube-apiserver sent to an aggregated server, sent again, and answered as it needs.

``recorded.jsonl`` holds them, for our group in the place of the one that it was made with.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio

from tests.aggregation.conftest import World
from tests.aggregation.machines import machine, machines

pytestmark = pytest.mark.asyncio(loop_scope="session")
RECORDED = [json.loads(line) for line in (Path(__file__).parent / "recorded.jsonl").read_text().splitlines()]
GROUP_VERSION = "/apis/kubevirt.io/v1"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
LIST = aiohttp.ClientTimeout(total=10)
Answer = tuple[int, Any, bytes]


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def proxy(world: World) -> AsyncIterator[aiohttp.ClientSession]:
    """Connections to the aggregated server with the front proxy's certificate."""
    for name in ("before", "recorded"):
        answer = await world.admin.call("POST", machines().path, machine(name))
        assert answer.code == 201, answer.body
    connector = aiohttp.TCPConnector(ssl=world.aggregator.aggregated.context)
    url = f"https://127.0.0.1:{world.aggregated.port}"
    async with aiohttp.ClientSession(url, connector=connector, auto_decompress=True, timeout=LIST) as session:
        yield session


def recorded(path: str, *, command: str = "") -> dict[str, Any]:
    """The first recorded request to ``path``, with or without a query, that this command of kubectl has made."""
    return next(
        each
        for each in RECORDED
        if each["path"].partition("?")[0] == path and each["headers"].get("Kubectl-Command", "") == command
    )


async def send(proxy: aiohttp.ClientSession, request: dict[str, Any], **more: str) -> Answer:
    headers = request["headers"] | {name.replace("_", "-"): value for name, value in more.items()}
    async with proxy.request(request["method"], request["path"], headers=headers) as answer:
        return answer.status, answer.headers, await answer.read()


@pytest.mark.parametrize("request_", RECORDED, ids=lambda each: each["headers"].get("Kubectl-Command", "aggregator"))
async def test_every_request_is_answered(proxy: aiohttp.ClientSession, request_: dict[str, Any]) -> None:
    async with proxy.request(request_["method"], request_["path"], headers=request_["headers"]) as answer:
        assert answer.status == 200, await answer.text()
        if audit_id := request_["headers"].get("Audit-Id"):
            assert answer.headers["Audit-ID"] == audit_id


@pytest.mark.parametrize("n", [0, 3], ids=["availability", "legacy discovery"])
async def test_a_group_version_is_there_without_a_redirect(proxy: aiohttp.ClientSession, n: int) -> None:
    code, headers, body = await send(proxy, RECORDED[n])
    answer = orjson.loads(body)
    assert (code, headers["Content-Type"]) == (200, "application/json")
    assert (answer["kind"], answer["groupVersion"]) == ("APIResourceList", "kubevirt.io/v1")
    assert {"virtualmachines", "virtualmachineinstances"} <= {each["name"] for each in answer["resources"]}


async def test_discovery_is_aggregated_and_not_sent_twice(proxy: aiohttp.ClientSession) -> None:
    code, headers, body = await send(proxy, recorded("/apis"))
    assert (code, headers["Content-Type"], headers["Vary"]) == (200, AGGREGATED, "Accept")
    groups = {each["metadata"]["name"]: each for each in orjson.loads(body)["items"]}
    assert {"kubevirt.io", "subresources.kubevirt.io"} <= groups.keys()
    assert all(name.endswith("kubevirt.io") for name in groups)
    versions = [version for group in groups.values() for version in group["versions"]]
    assert {version["freshness"] for version in versions} == {"Current"}
    # client-go 0.26.0 to 0.26.3 cannot do without.
    resources = [each for version in versions for each in (version["resources"] or ())]
    assert all(each.get("responseKind") for each in (*resources, *_subresources(resources)))
    code, headers, body = await send(proxy, recorded("/apis"), If_None_Match=headers["ETag"])
    assert (code, body) == (304, b"")


def _subresources(resources: list[Any]) -> list[Any]:
    return [sub for each in resources for sub in each.get("subresources", ())]


async def test_who_asks_for_discovery_as_it_was_gets_that(proxy: aiohttp.ClientSession) -> None:
    _, headers, body = await send(proxy, recorded("/apis"), Accept="application/json")
    assert (headers["Content-Type"], orjson.loads(body)["kind"]) == ("application/json", "APIGroupList")


@pytest.mark.parametrize("path", ["/openapi/v2", "/openapi/v3"])
async def test_openapi_has_a_strong_etag_and_is_not_sent_twice(proxy: aiohttp.ClientSession, path: str) -> None:
    code, headers, body = await send(proxy, recorded(path))
    assert (code, headers["Content-Type"]) == (200, "application/json")
    assert headers["ETag"].startswith('"')
    assert orjson.loads(body)["paths"]
    code, _, body = await send(proxy, recorded(path), If_None_Match=headers["ETag"])
    assert (code, body) == (304, b"")


async def test_each_document_of_openapi_v3_is_kept_for_ever_by_its_hash(proxy: aiohttp.ClientSession) -> None:
    request = recorded("/openapi/v3")
    paths = orjson.loads((await send(proxy, request))[2])["paths"]
    assert all(name.split("/")[1].endswith("kubevirt.io") for name in paths)
    url = paths["apis/kubevirt.io/v1"]["serverRelativeURL"]
    _, headers, body = await send(proxy, {**request, "path": url})
    assert (headers["Cache-Control"], headers["Vary"]) == ("public, immutable", "Accept")
    assert url.endswith(headers["ETag"].strip('"'))
    assert orjson.loads(body)["openapi"] == "3.0.0"
    async with proxy.get(url[:-1], headers=request["headers"], allow_redirects=False) as wrong:
        assert (wrong.status, wrong.headers["Location"]) == (301, url)


async def test_kubectl_gets_tables(proxy: aiohttp.ClientSession) -> None:
    for path in (f"{GROUP_VERSION}/namespaces/default/virtualmachines", f"{GROUP_VERSION}/virtualmachines"):
        _, _, body = await send(proxy, recorded(path, command="kubectl get"))
        table = orjson.loads(body)
        assert table["kind"] == "Table"
        assert "recorded" in [row["object"]["metadata"]["name"] for row in table["rows"]]


async def test_kubectls_watch_begins_after_its_list(proxy: aiohttp.ClientSession) -> None:
    request = next(each for each in RECORDED if "watch=true" in each["path"])
    async with proxy.get(request["path"], headers=request["headers"]) as watch:
        event = orjson.loads(await watch.content.readline())
    assert (event["type"], event["object"]["kind"]) == ("ADDED", "Table")


async def test_the_stand_in_sends_what_was_recorded(world: World) -> None:
    ways = {"Kubectl-Command": "kubectl get", "Kubectl-Session": "x", "Audit-Id": "own", "User-Agent": "kubectl"}
    async with world.admin.session.get(f"{machines().path}?limit=500", headers=ways) as answer:
        assert answer.status == 200
    head, sent = world.aggregator.sent[-1]
    original = recorded(machines().path, command="kubectl get")
    assert {name.lower() for name in original["headers"]} - {name.lower() for name, _ in sent} == {
        # Our cluster does not say by which certificate somebody came.
        "x-remote-extra-authentication.kubernetes.io%2fcredential-id"
    }
    assert dict(sent)["X-Forwarded-Uri"] == original["headers"]["X-Forwarded-Uri"]
    assert head.target == original["path"]
