"""Certificates rotate under load, again and again, while their rotator is killed: nobody notices."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

import pytest

from certs.objects import bundled_in, kept_in
from certs.purposes import LEAVES, PURPOSES
from certs.trust import Kept
from client.api import Client
from client.kinds import CONFIG_MAP, KUBEVIRT, SECRET
from kube.installation import NAMESPACE
from kube.objects import Object
from tests.e2e.load import under_load
from tests.e2e.separate import Installation
from tests.libvirt_host import LibvirtHost

EVERYTHING = (*(each.secret for each in LEAVES), *(each.authority for each in PURPOSES))
"""The Secrets of all certificates."""
GUESTS = ("echo-1", "echo-2")
ROUND_SECONDS = 30
LEAST_REQUESTS = 100
"""How many a second must have been made on the busiest machine; 200 are tried."""
SHRUNKEN = {"ca": {"duration": "20s", "renewBefore": "10s"}, "server": {"duration": "16s", "renewBefore": "8s"}}
SCHEDULED = 2
"""Once because the durations have changed, and once because it is time."""


class Stored:
    """The certificates as they are stored."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def pairs(self) -> dict[str, Kept]:
        """All authorities and leaves that can be read, by the names of their Secrets."""
        secrets = _by_name(await self._client.list(SECRET, NAMESPACE))
        leaves = {each.secret: kept_in(secrets.get(each.secret), leaf=True) for each in LEAVES}
        authorities = {each.authority: kept_in(secrets.get(each.authority), leaf=False) for each in PURPOSES}
        return {name: kept for name, kept in (leaves | authorities).items() if kept is not None}

    async def delete(self) -> None:
        """Delete all of them at once."""
        await asyncio.gather(*(self._client.delete(SECRET, name, NAMESPACE) for name in EVERYTHING))

    async def until_renewed(self, before: Mapping[str, Kept]) -> None:
        """Wait until there is another in place of each, and none of the authorities is trusted any more."""
        async with asyncio.timeout(ROUND_SECONDS):
            while not await self._are_renewed(before):  # noqa: ASYNC110 - the condition is about several kinds
                await asyncio.sleep(0.1)

    async def _are_renewed(self, before: Mapping[str, Kept]) -> bool:
        now = await self.pairs()
        if len(now) < len(EVERYTHING) or any(_same(now[name], old) for name, old in before.items()):
            return False
        bundles = _by_name(await self._client.list(CONFIG_MAP, NAMESPACE))
        trusted = {each for purpose in PURPOSES for each in bundled_in(bundles.get(purpose.authority))}
        return trusted.isdisjoint(old.pair.certificate for old in before.values())


def _by_name(listed: Object) -> dict[str, Object]:
    return {each["metadata"]["name"]: each for each in listed["items"]}


def _same(one: Kept, other: Kept) -> bool:
    return one.pair.certificate == other.pair.certificate


@pytest.fixture
async def installation(scratch: Path, private_libvirt: LibvirtHost) -> AsyncGenerator[Installation]:
    made = Installation(scratch / "rotation", private_libvirt.uri)
    async with made.running():
        yield made


@pytest.fixture
async def client(installation: Installation) -> AsyncGenerator[Client]:
    async with installation.client("tests") as client:
        yield client


async def shorten(client: Client) -> None:
    """Let certificates live for seconds."""
    (kubevirt,) = (await client.list(KUBEVIRT))["items"]
    metadata, spec = kubevirt["metadata"], {"certificateRotateStrategy": {"selfSigned": SHRUNKEN}}
    await client.patch(KUBEVIRT, metadata["name"], metadata["namespace"], {"spec": spec})


async def replace_rotator(installation: Installation, seconds: float) -> None:
    """Kill the rotator after so long, whatever it does then, and start another."""
    await asyncio.sleep(seconds)
    installation.kill_controllers()
    installation.start_controllers()


async def test_nobody_notices_that_certificates_rotate_and_their_rotator_is_killed(
    installation: Installation, client: Client, request: pytest.FixtureRequest
) -> None:
    stored, chance = Stored(client), random.Random(5)  # noqa: S311 - hides nothing
    await stored.until_renewed({})
    async with installation.guests(client, *GUESTS), under_load(installation, GUESTS) as load:
        began = time.monotonic()
        for _ in range(request.config.getoption("--rotations")):
            before = await stored.pairs()
            await stored.delete()
            await replace_rotator(installation, chance.uniform(0, 1))
            await stored.until_renewed(before)
        await shorten(client)
        for _ in range(SCHEDULED):
            before = await stored.pairs()
            await replace_rotator(installation, chance.uniform(0, 1))
            await stored.until_renewed(before)
        seconds = time.monotonic() - began
    assert load.failures == []
    assert load.requests > LEAST_REQUESTS * seconds
    assert min(load.told, load.echoes) > seconds
