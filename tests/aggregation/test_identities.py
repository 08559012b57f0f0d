"""Whoever is not who they say, or asks for what is not theirs by another name, is refused, and learns nothing by it.

That of a server in a cluster, to which callers come through the front proxy, or directly with what the cluster knows
them by. What a server that is its own cluster refuses is tried in ``tests/conformance``.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

import deploy
from apiserver.auth.webtokens import Signer
from certs.authority import Life, issue_client, issue_server, make_authority
from certs.pair import Pair
from certs.purposes import CLIENTS
from certs.signing import load_signing_key
from tests.aggregation.conftest import World
from tests.aggregator import PROXY_NAME
from tests.conformance.api import Kind
from tests.conformance.users import CLUSTER_BINDING, CLUSTER_ROLE
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

pytestmark = pytest.mark.asyncio(loop_scope="session")

USER = "mallory"
"""Whom the cluster gives only a little."""
ACCOUNT = Kind("ServiceAccount", "", "v1", "serviceaccounts", "default")


@dataclass
class Target:
    """The server, and what the forgers have."""

    world: World
    good: Good

    async def refuses(self, attempt: Attempt, pair: Path | None = None, secrets: Sequence[str] = ()) -> None:
        """Fail unless the server refuses an attempt."""
        check(await self.answers(attempt, pair), attempt, secrets)

    async def answers(self, attempt: Attempt, pair: Path | None) -> tuple[int, object]:
        """Return the answer to an attempt."""
        server = self.world.aggregated
        return await send(server.port, server.pki.authority, pair, attempt)

    @property
    def proxy(self) -> Path:
        """The front proxy's certificate and key."""
        return self.world.proxy.directory / "own.pem"

    @property
    def user(self) -> Path:
        """A user's, which the cluster has given out."""
        return self.world.directory / f"{USER}.pem"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def target(world: World) -> AsyncIterator[Target]:
    await give_a_little(world.admin, USER)
    world.enrol(USER, "developers")
    for document in yaml.safe_load_all((deploy.DIRECTORY / "base" / "agent-rbac.yaml").read_text()):
        kind = {"ClusterRole": CLUSTER_ROLE, "ClusterRoleBinding": CLUSTER_BINDING}.get(document["kind"])
        if kind is not None:
            assert (await world.admin.call("POST", kind.path, document)).code == 201
    await world.admin.create(ACCOUNT, "builder")
    answer = await world.admin.call("POST", f"{ACCOUNT.path}/builder/token", {"spec": {}})
    yield Target(world, Good(answer.body["status"]["token"], Signer(load_signing_key(world.cluster.pki.tokens))))


def named(user: str, *groups: str, **extra: str) -> Headers:
    """The headers that name a caller."""
    told = [("X-Remote-User", user), *(("X-Remote-Group", group) for group in groups)]
    return [*told, *((f"X-Remote-Extra-{key}", value) for key, value in extra.items())]


ADMIN = named("admin", MASTERS, "system:authenticated")
NOW = datetime.now(UTC)
YESTERDAY, TOMORROW = (Life(NOW + timedelta(days=days), timedelta(hours=1)) for days in (-1, 1))
PROXIES: dict[str, tuple[int, Callable[[World], Pair]]] = {
    "of an authority that nobody knows": (NO_CONNECTION, lambda _: issue_client(make_authority("x"), PROXY_NAME)),
    "of an authority that has a good name": (
        NO_CONNECTION,
        lambda _: issue_client(make_authority("request-header-ca"), PROXY_NAME),
    ),
    "signed by itself": (NO_CONNECTION, lambda _: make_authority(PROXY_NAME)),
    "that has expired": (NO_CONNECTION, lambda world: issue_client(world.proxy.signer, PROXY_NAME, (), YESTERDAY)),
    "that is not valid yet": (NO_CONNECTION, lambda world: issue_client(world.proxy.signer, PROXY_NAME, (), TOMORROW)),
    "of a server": (NO_CONNECTION, lambda world: issue_server(world.proxy.signer, PROXY_NAME, ["localhost"])),
    "that has another name": (401, lambda world: issue_client(world.proxy.signer, "another")),
    "that has the name in another case": (401, lambda world: issue_client(world.proxy.signer, PROXY_NAME.title())),
    "that has more than the name": (401, lambda world: issue_client(world.proxy.signer, f"{PROXY_NAME}.example.com")),
    "that has the name as its group": (401, lambda world: issue_client(world.proxy.signer, "x", [PROXY_NAME])),
    "that is an administrator": (401, lambda world: issue_client(world.proxy.signer, "admin", [MASTERS])),
    "that users have": (403, lambda world: issue_client(signer_of_users(world), PROXY_NAME)),
}


def signer_of_users(world: World) -> Pair:
    return Pair.load(world.cluster.pki.directory, CLIENTS.file)


@pytest.mark.parametrize(("code", "forge"), PROXIES.values(), ids=PROXIES)
async def test_a_front_proxy_by_a_certificate(
    target: Target, tmp_path: Path, code: int, forge: Callable[[World], Pair]
) -> None:
    forge(target.world).save(tmp_path, "forged")
    await target.refuses(Attempt(code, headers=ADMIN), tmp_path / "forged.pem")


async def test_a_certificate_that_is_nobodys_opens_not_even_what_is_open_to_all(target: Target, tmp_path: Path) -> None:
    issue_client(target.world.proxy.signer, "another").save(tmp_path, "forged")
    await target.refuses(Attempt(401, "/version"), tmp_path / "forged.pem")


async def test_a_front_proxy_by_no_certificate(target: Target) -> None:
    await target.refuses(Attempt(401, headers=ADMIN))


async def test_a_front_proxy_by_a_good_token_or_a_users_certificate(target: Target) -> None:
    bearer = ("Authorization", f"Bearer {target.good.token}")
    await target.refuses(Attempt(403, headers=[bearer, *ADMIN]), secrets=(target.good.token,))
    await target.refuses(Attempt(403, headers=ADMIN), target.user)


NODE = "authentication.kubernetes.io%2Fnode-name"
AGENT = "system:serviceaccount:virtplane:virtplane-agent"
INSTANCES = "/apis/kubevirt.io/v1/virtualmachineinstances"
OF_ONE = f"{INSTANCES}?fieldSelector=status.nodeName=one"
NAMED: dict[str, tuple[int, str, Headers]] = {
    "nobody": (401, MACHINES, []),
    "an empty name": (401, MACHINES, named("", MASTERS)),
    "a group alone": (401, MACHINES, ADMIN[1:]),
    "other headers": (401, MACHINES, [("X-Remote_User", "admin"), ("X-Remote-Groups", MASTERS)]),
    "the anonymous": (401, MACHINES, named("system:anonymous", "system:unauthenticated")),
    "the anonymous as known": (403, MACHINES, named("system:anonymous", "system:authenticated")),
    "a stranger": (403, MACHINES, named("stranger", "system:authenticated")),
    "two": (403, MACHINES, [*named("stranger"), *named("admin")]),
    "the group as the name": (403, MACHINES, named(MASTERS, "system:authenticated")),
    "the group in another case": (403, MACHINES, named("stranger", "System:Masters")),
    "the group among others": (403, MACHINES, named("stranger", f"developers,{MASTERS}")),
    "the group as extra": (403, MACHINES, named("stranger", Groups=MASTERS)),
    "bytes that are no text": (401, MACHINES, named("\xff\xfe", MASTERS)),
    "one who acts as another": (403, MACHINES, [*named("stranger"), ("Impersonate-User", "admin")]),
    "an agent of no node": (403, OF_ONE, named(AGENT)),
    "an agent of an empty node": (403, f"{INSTANCES}?fieldSelector=status.nodeName=", named(AGENT, **{NODE: ""})),
    "an agent of another node": (403, OF_ONE, named(AGENT, **{NODE: "two"})),
    "an agent of two nodes": (403, OF_ONE, [*named(AGENT, **{NODE: "two"}), (f"X-Remote-Extra-{NODE}", "one")]),
    "an agent of all nodes": (403, INSTANCES, named(AGENT, **{NODE: "one"})),
    "an agent of another namespace": (403, OF_ONE, named(AGENT.replace("virtplane:", "default:"), **{NODE: "one"})),
    "an agent that looks at machines": (403, MACHINES, named(AGENT, **{NODE: "one"})),
    "an agent that makes instances": (403, f"{MACHINES}instances?dryRun=All", named(AGENT, **{NODE: "one"})),
    "a stranger who has an agent's node": (403, OF_ONE, named("stranger", **{NODE: "one"})),
}


@pytest.mark.parametrize(("code", "path", "headers"), NAMED.values(), ids=NAMED)
async def test_the_front_proxy_names(target: Target, code: int, path: str, headers: Headers) -> None:
    await target.refuses(Attempt(code, path, headers), target.proxy)


@pytest.mark.parametrize("forge", TOKENS.values(), ids=TOKENS)
async def test_a_token(target: Target, capsys: pytest.CaptureFixture[str], forge: Callable[[Good], str]) -> None:
    token = forge(target.good)
    await target.refuses(Attempt(401, headers=[("Authorization", f"Bearer {token}")]), secrets=(token,))
    logged = capsys.readouterr().out
    assert "a token is refused" in logged
    assert token not in logged


@pytest.mark.parametrize(("code", "headers"), IMPERSONATED.values(), ids=IMPERSONATED)
async def test_acting_as(target: Target, code: int, headers: Headers) -> None:
    await target.refuses(Attempt(code, f"{MACHINES}/mine", headers), target.user)


@pytest.mark.parametrize(("method", "path"), MISNAMED.values(), ids=MISNAMED)
async def test_what_is_called_otherwise(target: Target, method: str, path: str) -> None:
    await target.refuses(Attempt(403, path, named(USER, "developers", "system:authenticated"), method), target.proxy)


async def test_who_is_who_they_say_gets_what_is_theirs(target: Target) -> None:
    bearer = ("Authorization", f"Bearer {target.good.token}")
    for code, pair, method, path, headers in (
        (404, target.proxy, "GET", f"{MACHINES}/mine", named(USER)),
        (404, target.proxy, "PUT", f"{ACTIONS}/mine/start", named(USER)),
        (404, target.user, "GET", f"{MACHINES}/mine", []),
        (200, target.proxy, "GET", MACHINES, ADMIN),
        (200, target.proxy, "GET", OF_ONE, named(AGENT, **{NODE: "one"})),
        (200, None, "GET", "/version", [bearer]),
        (200, None, "GET", "/apis", [bearer]),
        (200, None, "GET", "/version", []),
    ):
        answer = await target.answers(Attempt(code, path, headers, method), pair)
        assert answer[0] == code, (path, answer)
