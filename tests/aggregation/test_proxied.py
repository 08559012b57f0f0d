"""What passes through the aggregator: streams, upgrades, trailers, large bodies; and who is known by it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio

from tests.aggregation.conftest import World
from tests.aggregation.machines import machine, machines
from tests.conformance.api import SECONDS, Api, Kind
from tests.conformance.users import CLUSTER_BINDING, grant
from tests.conformance.watching import watching

pytestmark = pytest.mark.asyncio(loop_scope="session")
CONSOLE = "/apis/subresources.kubevirt.io/v1/namespaces/default/virtualmachineinstances/none/console"
MASTERS = {"X-Remote-User": "root", "X-Remote-Group": "system:masters"}


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def viewer(world: World) -> AsyncIterator[Api]:
    """A user who may see everything."""
    world.enrol("viewer")
    await grant(world.admin, "viewer", CLUSTER_BINDING, "view")
    async with world.session("viewer") as session:
        yield Api(session)


async def make(world: World, name: str) -> dict[str, Any]:
    answer = await world.admin.call("POST", machines().path, machine(name))
    assert answer.code == 201, answer.body
    return answer.body


async def raw(world: World, request: bytes) -> tuple[int, dict[str, Any]]:
    """Send these very bytes to the aggregator as the administrator; return the code and the object of the answer."""
    context = ssl.create_default_context(cafile=str(world.aggregator.authority))
    context.load_cert_chain(world.directory / "admin.pem")
    reader, writer = await asyncio.open_connection("127.0.0.1", world.aggregator.port, ssl=context)
    writer.write(request)
    async with asyncio.timeout(SECONDS):
        answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), orjson.loads(body)


async def test_a_watch_stays_open_and_ends_when_it_was_asked_to(world: World, viewer: Api) -> None:
    first = await make(world, "watched")
    after = first["metadata"]["resourceVersion"]
    async with watching(viewer, machines().path, resourceVersion=after, timeoutSeconds="1") as watch:
        await make(world, "told")
        assert (await watch.next())["object"]["metadata"]["name"] == "told"
        assert await watch.rest() == []


async def test_a_watch_passes_as_a_websocket(world: World, viewer: Api) -> None:
    await make(world, "over-a-socket")
    query = {"watch": "1", "fieldSelector": "metadata.name=over-a-socket"}
    async with viewer.session.ws_connect(machines().path, params=query) as socket:
        event = orjson.loads(await socket.receive_str())
    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "over-a-socket")


async def test_an_upgrade_that_is_refused_is_told_before_it_begins(world: World, viewer: Api) -> None:
    for session, code in ((world.admin.session, 404), (viewer.session, 403)):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(CONSOLE, protocols=("plain.kubevirt.io",))
        assert refused.value.status == code


async def test_an_upgrade_of_the_days_of_spdy_gets_a_status(world: World) -> None:
    # What can be read is read; nobody switches to a protocol that is not spoken, nor goes on on that connection.
    for path, code, kind in ((CONSOLE, 404, "Status"), (machines().path, 200, "VirtualMachineList")):
        head = f"GET {path} HTTP/1.1\r\nHost: kube\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
        answered, obj = await raw(world, head.encode())
        assert (answered, obj["kind"]) == (code, kind)


async def test_a_body_in_chunks_may_end_with_trailers(world: World) -> None:
    body = orjson.dumps(machine("trailed"))
    head = f"POST {machines().path} HTTP/1.1\r\nHost: kube\r\nContent-Type: application/json\r\n"
    chunks = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\nX-Checksum: 1\r\n\r\n"
    code, _ = await raw(world, f"{head}Transfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n\r\n".encode() + chunks)
    assert code == 201


async def test_where_a_request_was_sent_to_first_changes_nothing(world: World) -> None:
    path = f"/apis/kubevirt.io/v1/namespaces/{'x' * 20}/virtualmachines"
    session, url = world.aggregator, f"https://127.0.0.1:{world.aggregated.port}{machines().path}"
    headers = MASTERS | {"X-Forwarded-Uri": f"{path}?watch=1", "X-Forwarded-Host": "evil.example", "Host": "kube:6443"}
    async with aiohttp.request("GET", url, headers=headers, ssl=session.aggregated.context) as answer:
        assert (answer.status, (await answer.json())["kind"]) == (200, "VirtualMachineList")


@pytest.mark.parametrize(("mebibytes", "code"), [(2.9, 201), (3.1, 413)])
async def test_large_bodies_pass_up_to_the_limit(world: World, mebibytes: float, code: int) -> None:
    body, length = orjson.dumps(machine(f"large-{code}")), int(mebibytes * 1024 * 1024)
    head = (
        f"POST {machines().path} HTTP/1.1\r\nHost: kube\r\nContent-Type: application/json\r\nContent-Length: {length}"
    )
    assert (await raw(world, f"{head}\r\n\r\n".encode() + body.ljust(length)))[0] == code


async def test_a_client_cannot_be_its_own_front_proxy(world: World, viewer: Api) -> None:
    through, direct = f"{machines().path}/none", f"https://127.0.0.1:{world.aggregated.port}{machines().path}/none"
    own = ssl.create_default_context(cafile=str(world.aggregated.pki.authority))
    own.load_cert_chain(world.directory / "viewer.pem")
    # The aggregator takes the headers away, and the server believes them of nobody else.
    for url, context in ((through, True), (direct, own)):
        async with viewer.session.delete(url, headers=MASTERS, ssl=context) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (403, "Forbidden")
    nobody = ssl.create_default_context(cafile=str(world.aggregated.pki.authority))
    async with aiohttp.request("GET", direct, headers=MASTERS, ssl=nobody) as answer:
        assert answer.status == 401


async def test_one_connection_serves_many_callers_and_does_not_mix_them_up(world: World, viewer: Api) -> None:
    connector = aiohttp.TCPConnector(limit=1, ssl=world.aggregator.aggregated.context)
    url = f"https://127.0.0.1:{world.aggregated.port}"
    async with aiohttp.ClientSession(url, connector=connector) as proxy:
        codes: list[int] = []
        for name in ("viewer", "nobody-special") * 2:
            async with proxy.get(machines().path, headers={"X-Remote-User": name}) as answer:
                codes.append(answer.status)
    assert codes == [200, 403] * 2


async def test_a_token_is_good_through_the_aggregator_and_at_the_server_itself(world: World) -> None:
    accounts = Kind("ServiceAccount", "", "v1", "serviceaccounts", "default")
    await world.admin.create(accounts, "robot")
    await grant(world.admin, "system:serviceaccount:default:robot", CLUSTER_BINDING, "view")
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    token = (await world.admin.call("POST", f"{accounts.path}/robot/token", asked)).body["status"]["token"]
    for port, authority in (
        (world.aggregator.port, world.aggregator.authority),
        (world.aggregated.port, world.aggregated.pki.authority),
    ):
        context = ssl.create_default_context(cafile=str(authority))
        for word, code in ((token, 200), (f"{token[:-4]}AAAA", 401)):
            headers, url = {"Authorization": f"Bearer {word}"}, f"https://127.0.0.1:{port}{machines().path}"
            async with aiohttp.request("GET", url, headers=headers, ssl=context) as answer:
                assert answer.status == code, await answer.text()
    _, sent = world.aggregator.sent[-1]
    assert "x-remote-extra-authentication.kubernetes.io%2fcredential-id" in {name.lower() for name, _ in sent}
    assert "authorization" not in {name.lower() for name, _ in sent}
