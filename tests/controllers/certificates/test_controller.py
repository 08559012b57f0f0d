"""Whatever happens to Secrets, ConfigMaps, consumers and the controller itself, all is soon as it should be."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding

from certs.authority import issue_client, make_authority
from certs.objects import CONSUMERS, STATEMENT_ANNOTATION, Statement, secret_of, statements
from certs.purposes import ADMIN, AGENT, AGENTS, API, CLIENTS, LEAVES, PURPOSES, SERVER, STREAMS
from certs.trust import Kept, Shown, fingerprint
from client.kinds import CONFIG_MAP, EVENT, NODE, SECRET
from controllers.certificates.controller import FORGET_AFTER
from kube.installation import NAMESPACE
from kube.objects import Object
from kube.timestamps import utc_now
from tests.controllers.certificates.world import World, a_world
from tests.server import NODE as NODE_NAME

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with a_world(tmp_path_factory.mktemp("world")) as world, world.controller():
        await world.until(world.is_settled)
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def world(shared: World) -> AsyncIterator[World]:
    """A world where all is as it should be, before and after the test."""
    await shared.until(shared.is_settled)
    yield shared
    await shared.until(shared.is_settled)


def uid(obj: Object | None) -> str:
    return obj["metadata"]["uid"] if obj else ""


NAMES = [*(each.authority for each in PURPOSES), *(each.secret for each in LEAVES)]


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_deleted_is_fresh_within_two_seconds(world: World, name: str) -> None:
    before = uid(world.secret(name))
    await world.delete(name)
    await world.until(lambda: uid(world.secret(name)) not in ("", before), seconds=2)


async def test_all_can_be_deleted_at_once(world: World) -> None:
    before = {uid(world.secret(name)) for name in NAMES}
    await world.delete(*NAMES)
    await world.until(lambda: {"", *before}.isdisjoint(uid(world.secret(name)) for name in NAMES))


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


FOREIGN = make_authority(CLIENTS.common_name(1))
FORGED = secret_of(ADMIN.secret, Kept(issue_client(FOREIGN, ADMIN.user, ADMIN.groups), None, FOREIGN.certificate))[
    "data"
]
DER = FOREIGN.certificate.public_bytes(Encoding.DER)


def altered(old: str, new: str) -> str:
    """Return a certificate of which some bytes, told in hexadecimal digits, are others."""
    assert bytes.fromhex(old) in DER
    return encoded(ssl.DER_cert_to_PEM_cert(DER.replace(bytes.fromhex(old), bytes.fromhex(new))).encode())


TAMPERED: list[tuple[str, Object]] = [
    (ADMIN.secret, {"tls.crt": encoded(b"no certificate")}),
    (ADMIN.secret, {"tls.key": encoded(b"no key")}),
    (ADMIN.secret, {"tls.key": encoded(FOREIGN.key_pem)}),
    (ADMIN.secret, {"ca.crt": encoded(FOREIGN.certificate_pem)}),
    (ADMIN.secret, {"ca.crt": None}),
    (ADMIN.secret, FORGED),
    (CLIENTS.authority, {"tls.crt": encoded(FOREIGN.certificate_pem)}),
    (CLIENTS.authority, {"tls.key": encoded(b"")}),
    (CLIENTS.authority, {"ca-bundle": encoded(b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n")}),
    (CLIENTS.authority, {"tls.crt": altered("a003020102", "a003020105")}),  # of a version that is not known
    (CLIENTS.authority, {"tls.crt": altered("2a8648ce3d030107", "2a8648ce3d03017f")}),  # of a curve that is not known
    (AGENTS.authority, {"tls.crt": encoded(FOREIGN.certificate_pem), "tls.key": encoded(FOREIGN.key_pem)}),
]


def is_newer(found: Object | None, than: Object) -> bool:
    return found is not None and int(found["metadata"]["resourceVersion"]) > int(than["metadata"]["resourceVersion"])


@pytest.mark.parametrize(("name", "data"), TAMPERED)
async def test_what_is_tampered_with_counts_as_deleted(world: World, name: str, data: Object) -> None:
    written = await world.client.patch(SECRET, name, NAMESPACE, {"data": data})
    await world.until(lambda: is_newer(world.secret(name), written) and world.is_settled())
    assert not any(FOREIGN.certificate in world.trust(purpose).bundle for purpose in PURPOSES)


@pytest.mark.parametrize("bundle", ["", "garbage", FOREIGN.certificate_pem.decode()])
async def test_nobody_is_trusted_by_writing_to_a_bundle(world: World, bundle: str) -> None:
    data = {"data": {"ca-bundle": bundle}}
    written = await world.client.patch(CONFIG_MAP, CLIENTS.authority, NAMESPACE, data)
    await world.until(lambda: is_newer(world.config_map(CLIENTS.authority), written) and world.is_settled())


def another(world: World, **said: Any) -> Statement:
    """Return what a consumer says that trusts whom the first one trusts."""
    first = statements(world.config_map(CONSUMERS))[NODE_NAME]
    return replace(first, **{"at": utc_now(), "names": {}, "shown": {}, **said})


async def say(world: World, name: str, said: Statement | None) -> None:
    patch: Object = {"data": {name: said and said.json()}}
    await world.client.patch(CONFIG_MAP, CONSUMERS, NAMESPACE, patch)


async def test_who_is_waited_for_is_told_on_the_kubevirt_object(world: World) -> None:
    await world.until(lambda: world.condition().get("status") == "False")
    await say(world, "slow", another(world))
    old = world.trust(SERVER).bundle
    await world.delete(SERVER.authority)
    told = "kubevirt-ca: waiting for slow to trust the new authority"
    await world.until(lambda: world.condition()["message"] == told)
    assert (world.condition()["status"], world.condition()["reason"]) == ("True", "RotationInProgress")
    trust = world.trust(SERVER)
    assert trust.bundle[1:] == old
    assert trust.leaves[API.secret].issuer in old
    await say(world, "slow", another(world))
    await world.until(lambda: world.condition()["message"] == "All certificates are as they should be.")
    assert world.trust(SERVER).leaves[API.secret].issuer not in old
    await say(world, "slow", None)


async def test_an_agent_on_a_host_of_its_own_is_waited_for_and_can_bring_in_nobody(world: World) -> None:
    evil = Shown("0" * 32, fingerprint(FOREIGN.certificate), utc_now() + timedelta(days=1))
    lies = another(world, names={API.secret: ("evil.test",)}, shown={AGENT.secret: evil})
    node: Object = {"metadata": {"name": "far", "annotations": {STATEMENT_ANNOTATION: lies.json()}}}
    await world.client.create(NODE, node)
    await world.delete(STREAMS.authority, AGENTS.authority)
    await world.until(lambda: len(world.waited_for("node:far")) == 2)
    assert FOREIGN.certificate not in world.trust(AGENTS).bundle
    assert "evil.test" not in world.trust(SERVER).wanted[API.secret].names
    node["metadata"]["annotations"] = {STATEMENT_ANNOTATION: another(world, shown={}).json()}
    await world.client.patch(NODE, "far", None, node)
    await world.until(lambda: not world.waited_for("node:far") and world.is_settled())
    await world.client.delete(NODE, "far", None)


async def test_an_agent_holds_up_nothing_that_it_has_nothing_to_do_with(world: World) -> None:
    lies = another(world, trusted={CLIENTS.authority: frozenset()})
    await world.client.create(NODE, {"metadata": {"name": "far", "annotations": {STATEMENT_ANNOTATION: lies.json()}}})
    before = world.secret(ADMIN.secret)
    assert before
    await world.delete(CLIENTS.authority)
    await world.until(lambda: is_newer(world.secret(ADMIN.secret), before))
    await world.client.delete(NODE, "far", None)


async def test_what_gone_consumers_said_is_forgotten(world: World) -> None:
    await say(world, "gone", another(world, at=utc_now() - FORGET_AFTER))
    await world.until(lambda: "gone" not in world.config_map(CONSUMERS)["data"])


def stated(**said: Any) -> str:
    usual = {"at": "2026-01-01T00:00:00Z", "node": "", "names": {}, "trusted": {}, "shown": {}}
    return json.dumps({**usual, **said})


NONSENSE = [
    "no JSON",
    "[1]",
    "{}",
    stated(at="2026-01-01T00:00:00"),
    stated(names={API.secret: []}),
    stated(names={AGENT.secret: []}),
    stated(names={API.secret: ["ä"]}),
    stated(names={AGENT.secret: []}, node="n" * 64),
    stated(node=1, names=1, trusted=1, shown=1),
    stated(shown={API.secret: {"leaf": "a", "issuer": "b", "until": "2026-01-01T00:00:00"}}),
]


@pytest.mark.parametrize("said", NONSENSE)
async def test_nonsense_stops_nothing(world: World, said: str) -> None:
    await world.client.patch(CONFIG_MAP, CONSUMERS, NAMESPACE, {"data": {"nonsense": said}})
    before = uid(world.secret(API.secret))
    await world.delete(API.secret)
    await world.until(lambda: uid(world.secret(API.secret)) not in ("", before))
    await say(world, "nonsense", None)


async def test_nonsense_of_an_agent_stops_nothing(world: World) -> None:
    said = stated(shown={API.secret: {"leaf": {}, "issuer": {}, "until": "2999-01-01T00:00:00Z"}})
    await world.client.create(NODE, {"metadata": {"name": "odd", "annotations": {STATEMENT_ANNOTATION: said}}})
    before = uid(world.secret(SERVER.authority))
    await world.delete(SERVER.authority)
    await world.until(lambda: uid(world.secret(SERVER.authority)) not in ("", before))
    await world.client.delete(NODE, "odd", None)


async def test_events_tell_what_was_done(world: World) -> None:
    await world.delete(CLIENTS.authority)
    told = {
        ("AuthorityRotated", "virtplane-client-ca: made a new authority: there is none that can be used"),
        ("AuthorityBundleChanged", "virtplane-client-ca: 1 joined"),
        ("AuthorityBundleChanged", "virtplane-client-ca: what nobody needs any more left"),
        ("CertificateIssued", "virtplane-admin-certs: issued a new certificate: the authority was replaced"),
    }
    seen: set[tuple[str, str]] = set()
    async with asyncio.timeout(10):
        async for _, event in world.client.watch(EVENT, resource_version="0"):
            seen.add((event.get("reason", ""), event.get("message", "")))
            if told <= seen:
                break
