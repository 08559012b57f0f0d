"""Certificates of a running installation: real server, real controllers, real files."""

import asyncio
import base64
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from certs.objects import AUTHORITY, CONSUMERS, NAMESPACE
from client.api import Client
from client.kinds import CONFIG_MAP, KUBEVIRT, SECRET, Kind
from virtplane.certificates import SECRETS
from virtplane.home import Home
from virtplane.roles import Role, run_controllers, run_server
from virtplane.settings import Settings

SECONDS = 30


@contextlib.asynccontextmanager
async def running(role: Role, settings: Settings) -> AsyncIterator[None]:
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(role(settings, stop, ready))
    waiting = asyncio.create_task(ready.wait())
    try:
        async with asyncio.timeout(SECONDS):
            await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not ready.is_set():
            await task
        yield
    finally:
        waiting.cancel()
        stop.set()
        await task


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return Settings(home=str(tmp_path), port=free.getsockname()[1])


@pytest.fixture
async def home(settings: Settings) -> AsyncIterator[Home]:
    async with running(run_server, settings), running(run_controllers, settings):
        home = Home.of(settings)
        async with Client.from_kubeconfig(home.kubeconfig, "tests") as client:
            await eventually(lambda: has(client, CONFIG_MAP, CONSUMERS))
        yield home


async def authority(client: Client) -> str:
    """Return the stored authority once there is one."""
    found: list[str] = []

    async def there() -> bool:
        listed = await client.list(SECRET, NAMESPACE)
        found[:] = [each["data"]["tls.crt"] for each in listed["items"] if each["metadata"]["name"] == AUTHORITY]
        return bool(found)

    await eventually(there)
    return found[0]


async def eventually(holds: Any) -> None:
    async with asyncio.timeout(SECONDS):
        while not await holds():  # noqa: ASYNC110 - files tell nobody that they were replaced
            await asyncio.sleep(0.02)


async def settled(client: Client, home: Home, other_than: str) -> None:
    """Wait until a new authority is the only one, in the bundle and in the files, and signed all that is used."""

    async def holds() -> bool:
        secrets = {each["metadata"]["name"]: each for each in (await client.list(SECRET, NAMESPACE))["items"]}
        if not {AUTHORITY, *SECRETS.values()} <= secrets.keys():
            return False
        now = secrets[AUTHORITY]["data"]["tls.crt"]
        files = base64.b64encode((home.pki / "ca.crt").read_bytes()).decode()
        issuers = {secrets[name]["data"].get("ca.crt") for name in SECRETS.values()}
        held = all(
            (home.pki / f"{name}.crt").read_bytes() == base64.b64decode(secrets[secret]["data"]["tls.crt"])
            for name, secret in SECRETS.items()
        )
        return now != other_than and files == now and issuers == {now} and held

    await eventually(holds)


async def test_what_bootstrap_made_becomes_the_first_secrets(home: Home) -> None:
    before = (home.pki / "ca.crt").read_bytes()
    async with Client.from_kubeconfig(home.kubeconfig, "tests") as client:
        stored = base64.b64decode(await authority(client))
        bundle = await client.get(CONFIG_MAP, AUTHORITY, NAMESPACE)
    assert stored == before == (home.pki / "ca.crt").read_bytes() == bundle["data"]["ca-bundle"].encode()


async def test_a_deleted_leaf_is_issued_anew_and_nothing_else_changes(home: Home) -> None:
    async with Client.from_kubeconfig(home.kubeconfig, "tests") as client:
        first = await authority(client)
        name = SECRETS["server"]
        served = (home.pki / "server.crt").read_bytes()
        await client.delete(SECRET, name, NAMESPACE)

        async def renewed() -> bool:
            return (home.pki / "server.crt").read_bytes() != served

        await eventually(renewed)
        assert await authority(client) == first


async def has(client: Client, kind: Kind, name: str) -> bool:
    return any(each["metadata"]["name"] == name for each in (await client.list(kind, NAMESPACE))["items"])


async def test_another_duration_takes_effect_at_once(home: Home) -> None:
    async with Client.from_kubeconfig(home.kubeconfig, "tests") as client:
        first = await authority(client)
        (kubevirt,) = (await client.list(KUBEVIRT))["items"]
        metadata = kubevirt["metadata"]
        patch = {"spec": {"certificateRotateStrategy": {"selfSigned": {"ca": {"duration": "100h"}}}}}
        await client.patch(KUBEVIRT, metadata["name"], metadata["namespace"], patch)
        await settled(client, home, first)
        made = x509.load_pem_x509_certificate(base64.b64decode(await authority(client)))
        assert 100 <= (made.not_valid_after_utc - made.not_valid_before_utc).total_seconds() / 3600 < 101


async def test_twenty_authorities_in_a_row_fail_no_request_and_drop_no_watch(home: Home) -> None:
    requests, over = 0, asyncio.Event()

    async def calling() -> None:
        nonlocal requests
        while not over.is_set():
            # A new client each time, as every kubectl is one: all of its handshakes are new.
            async with Client.from_kubeconfig(home.kubeconfig, "tests") as kubectl:
                await kubectl.list(KUBEVIRT)
            requests += 1

    async def watching(client: Client, version: str) -> int:
        seen = 0
        async for _ in client.watch(SECRET, resource_version=version, namespace=NAMESPACE, timeout_seconds=120):
            seen += 1
        return seen

    async with Client.from_kubeconfig(home.kubeconfig, "tests") as client:
        await authority(client)
        version = (await client.list(SECRET, NAMESPACE))["metadata"]["resourceVersion"]
        watches = [asyncio.create_task(watching(client, version)) for _ in range(5)]
        caller = asyncio.create_task(calling())
        async with asyncio.timeout(60):
            for _ in range(20):
                old = await authority(client)
                await client.delete(SECRET, AUTHORITY, NAMESPACE)
                await settled(client, home, old)
        assert not any(each.done() for each in (*watches, caller))
        over.set()
        await caller
        for each in watches:
            each.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
    assert requests > 20


async def test_the_administrators_kubeconfig_goes_along(home: Home) -> None:
    async with Client.from_kubeconfig(home.kubeconfig, "tests") as client:
        old = await authority(client)
        await client.delete(SECRET, AUTHORITY, NAMESPACE)
        await settled(client, home, old)
    (cluster,) = yaml.safe_load(home.kubeconfig.read_text())["clusters"]
    assert base64.b64decode(cluster["cluster"]["certificate-authority-data"]) == (home.pki / "ca.crt").read_bytes()
    async with Client.from_kubeconfig(home.kubeconfig, "tests") as again:
        assert await again.list(KUBEVIRT)
