"""Whoever is not who they say, or asks for what is not theirs by another name, is refused, and learns nothing by it.

That of a server that is its own cluster. What a front proxy may say is tried in ``tests/aggregation``, and every way to
spoil a token beside its code.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from apiserver.auth.webtokens import Signer
from certs.authority import Life, issue_client, issue_server, make_authority
from certs.pair import Pair
from certs.purposes import AGENTS, CLIENTS, CONTROLLERS, EXPORTS, MIGRATION, SERVER, STREAMS
from certs.signing import load_signing_key
from kube.installation import NAMESPACE
from kube.revocation import CONFIG_MAP as REVOKED_NODES
from kube.timestamps import to_time
from tests.conformance.api import CONFIG_MAP, Api, Kind, connected
from tests.conformance.users import CLUSTER_BINDING, RBAC, enrol
from tests.forgeries import (
    ACTIONS,
    IMPERSONATED,
    MACHINES,
    MASTERS,
    MISNAMED,
    NO_CONNECTION,
    TOKENS,
    Attempt,
    Good,
    Headers,
    check,
    give_a_little,
    send,
)
from tests.server import Server, running_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACCOUNT = Kind("ServiceAccount", "", "v1", "serviceaccounts", "default")
REVOKED = Kind("ConfigMap", "", "v1", "configmaps", NAMESPACE)
NOW = datetime.now(UTC)
ADMIN_HEADERS: Headers = [("X-Remote-User", "kubernetes-admin"), ("X-Remote-Group", MASTERS)]


@dataclass
class World:
    """A server, and somebody of each kind who may do only a little."""

    server: Server
    good: Good

    async def refuses(self, attempt: Attempt, pair: Path | None = None, secrets: tuple[str, ...] = ()) -> None:
        """Fail unless the server refuses an attempt."""
        check(await send(self.server.port, self.server.pki.authority, pair, attempt), attempt, secrets)

    def pair(self, name: str) -> Path:
        """The certificate and key of somebody."""
        return self.server.pki.pair(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with running_server(tmp_path_factory.mktemp("world")) as server, connected(server) as session:
        api = Api(session)
        await api.create(CONFIG_MAP, "mine")
        await api.create(ACCOUNT, "builder")
        await api.create(REVOKED, REVOKED_NODES)
        await api.patch(
            REVOKED, REVOKED_NODES, {"data": {"revoked": to_time(NOW + timedelta(hours=1)), "shut-out": "long ago"}}
        )
        await give_a_little(api, "eve")
        enrol(server, "eve", "developers")
        answer = await api.call("POST", f"{ACCOUNT.path}/builder/token", {"spec": {}})
        yield World(server, Good(answer.body["status"]["token"], Signer(load_signing_key(server.pki.tokens))))


YESTERDAY, TOMORROW = (Life(NOW + timedelta(days=days), timedelta(hours=1)) for days in (-1, 1))
Authority = Callable[[str], Pair]
"""Returns an authority of the server's by the name of its file."""
CERTIFICATES: dict[str, tuple[int, Callable[[Authority], Pair]]] = {
    "of an authority that nobody knows": (
        NO_CONNECTION,
        lambda _: issue_client(make_authority("x"), "admin", [MASTERS]),
    ),
    "of an authority that has a good name": (
        NO_CONNECTION,
        lambda ours: issue_client(make_authority(common_name(ours(CLIENTS.file))), "admin", [MASTERS]),
    ),
    "signed by itself": (NO_CONNECTION, lambda _: make_authority("kubernetes-admin")),
    "that has expired": (
        NO_CONNECTION,
        lambda ours: issue_client(ours(CLIENTS.file), "admin", [MASTERS], YESTERDAY),
    ),
    "that is not valid yet": (
        NO_CONNECTION,
        lambda ours: issue_client(ours(CLIENTS.file), "admin", [MASTERS], TOMORROW),
    ),
    "of a server": (NO_CONNECTION, lambda ours: issue_server(ours(CLIENTS.file), "admin", ["localhost"])),
    "that serves the API": (NO_CONNECTION, lambda ours: issue_client(ours(SERVER.file), "admin", [MASTERS])),
    "for streams": (NO_CONNECTION, lambda ours: issue_client(ours(STREAMS.file), "system:apiserver", [MASTERS])),
    "for migration": (NO_CONNECTION, lambda ours: issue_client(ours(MIGRATION.file), "admin", [MASTERS])),
    "for exports": (NO_CONNECTION, lambda ours: issue_client(ours(EXPORTS.file), "admin", [MASTERS])),
    "of an agent that is an administrator": (401, lambda ours: issue_client(ours(AGENTS.file), "admin", [MASTERS])),
    "of an agent that is more": (
        401,
        lambda ours: issue_client(ours(AGENTS.file), "system:node:one", ["system:nodes", MASTERS]),
    ),
    "of an agent that is the controllers": (
        401,
        lambda ours: issue_client(ours(AGENTS.file), "system:virtplane-controllers", ["system:virtplane:controllers"]),
    ),
    "of an agent without a node": (401, lambda ours: issue_client(ours(AGENTS.file), "system:node:", ["system:nodes"])),
    "of another node": (403, lambda ours: issue_client(ours(AGENTS.file), "system:node:two", ["system:nodes"])),
    "of controllers that are an agent": (
        401,
        lambda ours: issue_client(ours(CONTROLLERS.file), "system:node:one", ["system:nodes"]),
    ),
    "of controllers that are an administrator": (
        401,
        lambda ours: issue_client(ours(CONTROLLERS.file), "admin", [MASTERS]),
    ),
    "of a node that is revoked": (
        401,
        lambda ours: issue_client(ours(AGENTS.file), "system:node:revoked", ["system:nodes"]),
    ),
    "of a node that is revoked, signed as a user's": (
        401,
        lambda ours: issue_client(ours(CLIENTS.file), "system:node:revoked", ["system:nodes"]),
    ),
    "of a node that is revoked since nobody knows when": (
        401,
        lambda ours: issue_client(ours(AGENTS.file), "system:node:shut-out", ["system:nodes"]),
    ),
    "that has the group as its name": (403, lambda ours: issue_client(ours(CLIENTS.file), MASTERS)),
    "that has the group in another case": (403, lambda ours: issue_client(ours(CLIENTS.file), "a", ["System:Masters"])),
    "that has the group and a blank": (403, lambda ours: issue_client(ours(CLIENTS.file), "a", [f"{MASTERS} "])),
    "that has both groups in one": (
        403,
        lambda ours: issue_client(ours(CLIENTS.file), "a", [f"developers,{MASTERS}"]),
    ),
    "that has an administrator's name": (403, lambda ours: issue_client(ours(CLIENTS.file), "kubernetes-admin")),
    "that has an agent's name": (403, lambda ours: issue_client(ours(CLIENTS.file), "system:node:one")),
    "that has an account's name in another namespace": (
        403,
        lambda ours: issue_client(ours(CLIENTS.file), "system:serviceaccount:default:virtplane-controllers"),
    ),
    "of nobody": (403, lambda ours: issue_client(ours(CLIENTS.file), "system:anonymous", ["system:unauthenticated"])),
}


def common_name(pair: Pair) -> str:
    return str([*pair.certificate.subject][-1].value)


@pytest.mark.parametrize(("code", "forge"), CERTIFICATES.values(), ids=CERTIFICATES)
async def test_a_certificate(world: World, code: int, forge: Callable[[Authority], Pair]) -> None:
    forge(lambda file: Pair.load(world.server.pki.directory, file)).save(world.server.pki.directory, "forged")
    await world.refuses(Attempt(code), world.pair("forged"))


HEADERS: dict[str, tuple[int, str | None, Headers]] = {
    "nothing": (401, None, []),
    "the front proxy's": (401, None, ADMIN_HEADERS),
    "the front proxy's in other spelling": (401, None, [(name.lower(), value) for name, value in ADMIN_HEADERS]),
    "the front proxy's beside a certificate": (403, "eve", ADMIN_HEADERS),
    "the front proxy's extra": (403, "eve", [("X-Remote-Extra-Groups", MASTERS), ("X-Remote-Uid", "0")]),
    "those of other proxies": (401, None, [("X-Forwarded-User", "admin"), ("X-Forwarded-Groups", MASTERS)]),
    "a certificate in a header": (
        401,
        None,
        [("X-SSL-Client-Verify", "SUCCESS"), ("X-SSL-Client-S-DN", "O=" + MASTERS)],
    ),
    "a trusted address": (401, None, [("X-Forwarded-For", "127.0.0.1"), ("X-Real-Ip", "127.0.0.1")]),
    "another path": (403, "eve", [("X-Original-Url", "/version"), ("X-Forwarded-Uri", "/version")]),
    "another method": (403, "eve", [("X-Http-Method-Override", "OPTIONS")]),
    "a cookie": (401, None, [("Cookie", "token=kubernetes-admin")]),
    "basic": (401, None, [("Authorization", "Basic YWRtaW46YWRtaW4=")]),
    "a word": (401, None, [("Authorization", "Bearer secret")]),
    "a token to join that nobody made": (401, None, [("Authorization", "Bearer abcdef.0123456789abcdef")]),
    "no word": (401, None, [("Authorization", "Bearer")]),
    "bytes that are no text": (401, None, [("Authorization", "Bearer \xff\xfe")]),
    "impersonation by nobody": (401, None, [("Impersonate-User", "kubernetes-admin"), ("Impersonate-Group", MASTERS)]),
}


@pytest.mark.parametrize(("code", "who", "headers"), HEADERS.values(), ids=HEADERS)
async def test_headers(world: World, code: int, who: str | None, headers: Headers) -> None:
    await world.refuses(Attempt(code, headers=headers), world.pair(who) if who else None)


async def test_a_good_token_gives_no_weight_to_headers(world: World) -> None:
    bearer = ("Authorization", f"Bearer {world.good.token}")
    await world.refuses(Attempt(403, headers=[bearer, *ADMIN_HEADERS]), secrets=(world.good.token,))


@pytest.mark.parametrize("forge", TOKENS.values(), ids=TOKENS)
async def test_a_token(world: World, capsys: pytest.CaptureFixture[str], forge: Callable[[Good], str]) -> None:
    token = forge(world.good)
    await world.refuses(Attempt(401, headers=[("Authorization", f"Bearer {token}")]), secrets=(token,))
    logged = capsys.readouterr().out
    assert "a token is refused" in logged
    assert token not in logged


@pytest.mark.parametrize("query", ["access_token", "token", "bearer"])
async def test_a_token_in_the_address(world: World, query: str) -> None:
    await world.refuses(Attempt(401, f"/apis?{query}={world.good.token}"), secrets=(world.good.token,))


@pytest.mark.parametrize(("code", "headers"), IMPERSONATED.values(), ids=IMPERSONATED)
async def test_acting_as(world: World, code: int, headers: Headers) -> None:
    await world.refuses(Attempt(code, f"{MACHINES}/mine", headers=headers), world.pair("eve"))


@pytest.mark.parametrize(("method", "target"), MISNAMED.values(), ids=MISNAMED)
async def test_what_is_called_otherwise(world: World, method: str, target: str) -> None:
    await world.refuses(Attempt(403, target, method=method), world.pair("eve"))


async def test_she_may_what_she_may(world: World) -> None:
    for method, target in (
        ("GET", f"{MACHINES}/mine"),
        ("GET", f"{MACHINES}?fieldSelector=metadata.name=mine"),
        ("PUT", f"{ACTIONS}/mine/start"),
    ):
        attempt = Attempt(200, target, method=method)
        code, body = await send(world.server.port, world.server.pki.authority, world.pair("eve"), attempt)
        assert code in (200, 404, 409), (target, body)


@pytest.mark.parametrize("path", ["/", "/apis", "/api/v1", "/openapi/v3", "/metrics", "/openid/v1/jwks", "/nothing"])
async def test_nobody_learns_what_there_is(world: World, path: str) -> None:
    await world.refuses(Attempt(401, path))


async def test_a_role_lets_the_anonymous_discover_and_do_nothing_else(world: World) -> None:
    everything = {"apiGroup": RBAC, "kind": "Group", "name": "system:unauthenticated"}
    async with connected(world.server) as session:
        api = Api(session)
        for role in ("system:discovery", "cluster-admin"):
            body = CLUSTER_BINDING.manifest(f"anonymous-{role.replace(':', '-')}")
            body |= {"roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}, "subjects": [everything]}
            assert (await api.call("POST", CLUSTER_BINDING.path, body)).code == 201
        for path in ("/apis", "/apis/kubevirt.io/v1", "/openapi/v3"):
            assert (await send(world.server.port, world.server.pki.authority, None, Attempt(200, path)))[0] == 200
        for method, path in (("GET", "/api/v1/namespaces"), ("GET", "/metrics"), ("POST", "/apis"), ("GET", "/")):
            await world.refuses(Attempt(401, path, method=method))
        for role in ("system-discovery", "cluster-admin"):
            assert (await api.call("DELETE", f"{CLUSTER_BINDING.path}/anonymous-{role}")).code == 200
        await world.refuses(Attempt(401, "/apis"))


async def test_what_is_there_and_what_is_not_look_alike_to_who_may_not_see(world: World) -> None:
    told: list[str] = []
    for name in ("mine", "absent"):
        attempt = Attempt(403, f"/api/v1/namespaces/default/configmaps/{name}")
        _, body = await send(world.server.port, world.server.pki.authority, world.pair("eve"), attempt)
        told.append(str(body).replace(name, "NAME"))
    assert told[0] == told[1]
