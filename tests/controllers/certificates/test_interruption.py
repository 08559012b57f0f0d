"""A controller that ends anywhere leaves what the next one goes on with, and time alone brings new certificates."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from certs.authority import Life, issue_client, make_authority
from certs.bootstrap import Pki
from certs.objects import CONSUMERS, bundle_of, secret_of
from certs.pair import Pair
from certs.purposes import ADMIN, BY_SECRET, CLIENTS, CONTROLLER, PURPOSES, SERVER, STREAMS
from certs.trust import Kept
from client.kinds import CONFIG_MAP, KUBEVIRT, SECRET, Kind
from kube.installation import NAMESPACE
from kube.objects import Object
from kube.timestamps import utc_now
from tests.controllers.certificates.world import World, a_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

STEPS = 6
"""To replace the authority for streams: itself, its bundle, two certificates, the bundle again; and none after that."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A world where no controller is at work."""
    async with a_world(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.mark.parametrize("steps", range(STEPS))
async def test_whenever_it_is_killed_the_next_one_goes_on(world: World, steps: int) -> None:
    writes: list[str] = []

    def count(_old: Object | None, new: Object | None) -> None:
        name = new["metadata"]["name"] if new else ""
        if name == STREAMS.authority or (name in BY_SECRET and BY_SECRET[name].purpose is STREAMS):
            writes.append(name)

    old = world.trust(STREAMS).bundle
    await world.delete(STREAMS.authority)
    await world.until(lambda: world.secret(STREAMS.authority) is None)
    for kind in (SECRET, CONFIG_MAP):
        world.informers[kind].add_handler(count)
    writes.clear()
    async with world.controller():
        await world.until(lambda: len(writes) >= min(steps, STEPS - 1))
    async with world.controller():
        await world.until(lambda: world.is_settled() and world.trust(STREAMS).bundle != old)


@pytest.mark.parametrize("other", [{"type": "Opaque"}, {"immutable": True}], ids=str)
async def test_what_cannot_be_replaced_is_removed_first(world: World, other: Object) -> None:
    foreign = make_authority(CLIENTS.common_name(1))
    useless = secret_of(ADMIN.secret, Kept(issue_client(foreign, "eve"), None, foreign.certificate)) | other
    await world.delete(ADMIN.secret)
    await world.client.create(SECRET, useless)
    await world.until(lambda: world.secret(ADMIN.secret) and world.secret(ADMIN.secret)["data"] == useless["data"])
    async with world.controller():
        await world.until(world.is_settled)


async def test_everything_is_renewed_in_time(world: World) -> None:
    said = {"ca": {"duration": "8s", "renewBefore": "5s"}, "server": {"duration": "6s", "renewBefore": "3s"}}
    (kubevirt,) = world.informers[KUBEVIRT].all()
    named = kubevirt["metadata"]["name"], kubevirt["metadata"]["namespace"]
    first = {purpose: world.trust(purpose).bundle for purpose in PURPOSES}
    async with world.controller():
        await world.client.patch(KUBEVIRT, *named, {"spec": {"certificateRotateStrategy": {"selfSigned": said}}})
        await world.until(lambda: all(world.trust(each).bundle[-1] not in first[each] for each in PURPOSES))
        second = {purpose: world.trust(purpose).bundle for purpose in PURPOSES}
        await world.until(lambda: all(world.trust(each).bundle[-1] not in second[each] for each in PURPOSES))
        await world.client.patch(KUBEVIRT, *named, {"spec": {"certificateRotateStrategy": None}})
        await world.until(lambda: _life(world) == timedelta(days=7) and world.is_settled())


def of_one_authority(pki: Pki) -> Iterator[tuple[Kind, Object]]:
    """Yield what was stored when one authority signed everything, as far as it matters."""
    authority = Pair.load(pki.directory, SERVER.file)
    yield SECRET, secret_of(SERVER.authority, Kept(authority))
    yield CONFIG_MAP, bundle_of(SERVER, [authority.certificate])
    old = CONTROLLER.request().issue(authority, Life(utc_now(), timedelta(days=1)))
    yield SECRET, secret_of(CONTROLLER.secret, Kept(old, None, authority.certificate))
    metadata = {"name": CONSUMERS, "namespace": NAMESPACE}
    yield CONFIG_MAP, {"metadata": metadata, "data": {"one": '{"wanted": {}, "trusted": [], "shown": {}}'}}


async def test_what_one_authority_signed_goes_over_to_one_of_each_purpose(tmp_path: Path) -> None:
    async with a_world(tmp_path, of_one_authority) as world:
        first = {purpose: Pair.load(world.server.pki.directory, purpose.file).certificate for purpose in PURPOSES}
        async with world.controller():
            await world.until(world.is_settled)
        # What the files held is what is stored: nothing had to be issued again, and nobody had to trust another.
        assert {purpose: world.trust(purpose).bundle for purpose in PURPOSES} == {
            purpose: (authority,) for purpose, authority in first.items()
        }


def _life(world: World) -> timedelta | None:
    authority = world.trust(SERVER).authority
    return authority.duration if authority else None
