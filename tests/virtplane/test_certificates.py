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

from certs.bootstrap import Pki
from certs.objects import CONSUMERS
from certs.pair import Pair
from certs.purposes import API, LEAVES, PURPOSES, SERVER, Purpose
from client.api import Client
from client.kinds import CONFIG_MAP, KUBEVIRT, SECRET, Kind
from kube.installation import NAMESPACE
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


async def authorities(client: Client) -> dict[Purpose, str]:
    """Return the stored authorities, in base64 of PEM, once all are there."""
    found: dict[Purpose, str] = {}

    async def there() -> bool:
        listed = {each["metadata"]["name"]: each for each in (await client.list(SECRET, NAMESPACE))["items"]}
        stored = {purpose: listed.get(purpose.authority) for purpose in PURPOSES}
        found.update({purpose: secret["data"]["tls.crt"] for purpose, secret in stored.items() if secret})
        return None not in stored.values()

    await eventually(there)
    return found


async def eventually(holds: Any) -> None:
    async with asyncio.timeout(SECONDS):
        while not await holds():  # noqa: ASYNC110 - files tell nobody that they were replaced
            await asyncio.sleep(0.02)


async def settled(client: Client, home: Home, other_than: dict[Purpose, str]) -> None:
    """Wait until new authorities are the only ones, in bundles and in files, and signed all that is used."""
    pki = Pki(home.pki)

    async def holds() -> bool:
        secrets = {each["metadata"]["name"]: each["data"] for each in (await client.list(SECRET, NAMESPACE))["items"]}
        if not {*(each.authority for each in PURPOSES), *(each.secret for each in LEAVES)} <= secrets.keys():
            return False
        now = {purpose: secrets[purpose.authority]["tls.crt"] for purpose in PURPOSES}
        return (
            all(now[purpose] != old for purpose, old in other_than.items())
            and all(base64.b64encode(pki.bundle(purpose).read_bytes()).decode() == now[purpose] for purpose in PURPOSES)
            and all(secrets[leaf.secret].get("ca.crt") == now[leaf.purpose] for leaf in LEAVES)
            and all(held(home, leaf.file) == secrets[leaf.secret]["tls.crt"] for leaf in LEAVES)
        )

    await eventually(holds)


def held(home: Home, name: str) -> str:
    """Return the certificate in a file, in base64 of PEM."""
    return base64.b64encode(Pair.load(home.pki, name).certificate_pem).decode()


async def test_what_bootstrap_made_becomes_the_first_secrets(home: Home) -> None:
    before = {purpose: held(home, purpose.file) for purpose in PURPOSES}
    async with Client.from_kubeconfig(home.kubeconfig, "tests") as client:
        assert await authorities(client) == before
        bundle = await client.get(CONFIG_MAP, SERVER.authority, NAMESPACE)
    assert base64.b64encode(bundle["data"]["ca-bundle"].encode()).decode() == before[SERVER]


async def test_a_deleted_leaf_is_issued_anew_and_nothing_else_changes(home: Home) -> None:
    async with Client.from_kubeconfig(home.kubeconfig, "tests") as client:
        first = await authorities(client)
        before = {leaf: held(home, leaf.file) for leaf in LEAVES}
        await client.delete(SECRET, API.secret, NAMESPACE)

        async def renewed() -> bool:
            return held(home, API.file) != before[API]

        await eventually(renewed)
        assert await authorities(client) == first
        assert {leaf for leaf in LEAVES if held(home, leaf.file) != before[leaf]} == {API}


async def has(client: Client, kind: Kind, name: str) -> bool:
    return any(each["metadata"]["name"] == name for each in (await client.list(kind, NAMESPACE))["items"])


async def test_another_duration_takes_effect_at_once(home: Home) -> None:
    async with Client.from_kubeconfig(home.kubeconfig_of("loopback"), "tests") as client:
        first = await authorities(client)
        (kubevirt,) = (await client.list(KUBEVIRT))["items"]
        metadata = kubevirt["metadata"]
        patch = {"spec": {"certificateRotateStrategy": {"selfSigned": {"ca": {"duration": "100h"}}}}}
        await client.patch(KUBEVIRT, metadata["name"], metadata["namespace"], patch)
        await settled(client, home, first)
        made = x509.load_pem_x509_certificate(base64.b64decode((await authorities(client))[SERVER]))
        assert 100 <= (made.not_valid_after_utc - made.not_valid_before_utc).total_seconds() / 3600 < 101


async def test_the_administrators_kubeconfig_goes_along(home: Home) -> None:
    async with Client.from_kubeconfig(home.kubeconfig_of("loopback"), "tests") as client:
        old = await authorities(client)
        await asyncio.gather(*(client.delete(SECRET, each.authority, NAMESPACE) for each in PURPOSES))
        await settled(client, home, old)

    async def is_rewritten() -> bool:
        (cluster,) = yaml.safe_load(home.kubeconfig.read_text())["clusters"]
        told = base64.b64decode(cluster["cluster"]["certificate-authority-data"])
        return told == (home.pki / "ca.crt").read_bytes()

    await eventually(is_rewritten)
    async with Client.from_kubeconfig(home.kubeconfig, "tests") as again:
        assert await again.list(KUBEVIRT)
