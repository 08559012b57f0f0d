"""What a cluster is asked about callers, how often, and what its answers, or their absence, mean.

A small real HTTP server stands in for the cluster, which can be told to answer wrongly, late or never.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import yaml
from aiohttp import web

from apiserver.auth import clusterreviews
from apiserver.auth.clusterreviews import AccessReviews, TokenReviews
from apiserver.auth.identities import ANONYMOUS
from apiserver.auth.webtokens import TokenError
from apiserver.http.requestinfo import parse
from apiserver.machinery.errors import StatusError
from apiserver.machinery.resource import Caller, Object
from client.api import Client
from kube.users import AGENT_ACCOUNT, AUTHENTICATED

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVE = Caller("eve", frozenset({"developers", AUTHENTICATED}), uid="u-1", extra=(("scopes", ("read", "write")),))
MACHINES = "/apis/kubevirt.io/v1/namespaces/team/virtualmachines"
INSTANCES = MACHINES.replace("machines", "machineinstances")


class Cluster:
    """Answers every review with ``status``, or with the next of ``failures``, once it may."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget what was asked, and answer at once."""
        self.status: Object = {}
        self.failures: list[int] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked: list[Object] = []

    async def review(self, request: web.Request) -> web.Response:
        review = await request.json()
        self.asked.append(review["spec"])
        await self.may_answer.wait()
        if self.failures:
            return web.json_response({"kind": "Status", "message": "no"}, status=self.failures.pop(0))
        return web.json_response(review | {"status": self.status}, status=201)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> Cluster:
    return Cluster()


@pytest.fixture
def cluster(running: Cluster) -> Cluster:
    running.begin()
    return running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(running: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    kubeconfig = tmp_path_factory.mktemp("client") / "kubeconfig"
    app = web.Application()
    app.router.add_post("/apis/authentication.k8s.io/v1/tokenreviews", running.review)
    app.router.add_post("/apis/authorization.k8s.io/v1/subjectaccessreviews", running.review)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    _, port = runner.addresses[0][:2]
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    config: Any = {"apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": [context]}
    config["clusters"] = [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}]
    config["users"] = [{"name": "u", "user": {"token": "ours"}}]
    kubeconfig.write_text(yaml.safe_dump(config))
    async with Client.from_kubeconfig(kubeconfig, "test") as client:
        yield client
    await runner.cleanup()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long."""
    monkeypatch.setattr(clusterreviews, "PAUSES", (0.0, 0.0, 0.0))


def rights(client: Client) -> AccessReviews:
    return AccessReviews(client, lambda node, asked: node == "one" and asked.name == "mine")


async def test_a_token_is_whose_the_cluster_says(client: Client, cluster: Cluster) -> None:
    user = {"username": "eve", "uid": "u-1", "groups": ["developers"], "extra": {"scopes": ["read", "write"]}}
    cluster.status = {"authenticated": True, "user": user}
    tokens = TokenReviews(client)
    assert await asyncio.gather(*(tokens.owner("secret") for _ in range(5))) == [EVE] * 5
    assert await tokens.owner("secret") == EVE
    assert cluster.asked == [{"token": "secret"}]
    await tokens.owner("another")
    assert len(cluster.asked) == 2


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"authenticated": False, "error": "expired"},
        {"authenticated": False, "user": {"username": "eve"}},
        {"user": {"username": "eve"}},
        {"authenticated": True},
        {"authenticated": True, "user": {"groups": ["system:masters"]}},
        {"authenticated": True, "user": {"username": ""}},
    ],
    ids=str,
)
async def test_a_token_is_nobodys_when_the_cluster_names_nobody(
    client: Client, cluster: Cluster, status: Object
) -> None:
    cluster.status = status
    tokens = TokenReviews(client)
    for _ in range(2):
        with pytest.raises(TokenError):
            await tokens.owner("secret")
    assert len(cluster.asked) == 1


async def test_what_cannot_be_a_token_is_not_asked_about(client: Client, cluster: Cluster) -> None:
    with pytest.raises(TokenError):
        await TokenReviews(client).owner("sécret")
    assert not cluster.asked


ASKED: list[tuple[str, str, dict[str, str], Object]] = [
    ("GET", "/apis", {}, {"path": "/apis", "verb": "get"}),
    ("GET", MACHINES, {}, {"verb": "list"}),
    ("GET", MACHINES, {"watch": "1"}, {"verb": "watch"}),
    ("GET", f"{MACHINES}/one", {}, {"verb": "get", "name": "one"}),
    ("PATCH", f"{MACHINES}/one/status", {}, {"verb": "patch", "name": "one", "subresource": "status"}),
    (
        "DELETE",
        MACHINES,
        {"fieldSelector": "metadata.name=one"},
        {"verb": "deletecollection", "name": "one", "fieldSelector": {"rawSelector": "metadata.name=one"}},
    ),
    (
        "PUT",
        f"{MACHINES.replace('kube', 'subresources.kube')}/one/start",
        {},
        {"verb": "update", "name": "one", "subresource": "start", "group": "subresources.kubevirt.io"},
    ),
]


@pytest.mark.parametrize(("method", "path", "query", "attributes"), ASKED)
async def test_the_cluster_is_asked_about_exactly_what_is_requested(
    client: Client, cluster: Cluster, method: str, path: str, query: dict[str, str], attributes: Object
) -> None:
    cluster.status = {"allowed": True}
    assert await rights(client).allowed(EVE, parse(method, path, query))
    (spec,) = cluster.asked
    who = {"user": "eve", "uid": "u-1", "groups": ["developers", AUTHENTICATED], "extra": {"scopes": ["read", "write"]}}
    if "path" in attributes:
        assert spec == who | {"nonResourceAttributes": attributes}
        return
    usual = {"group": "kubevirt.io", "version": "v1", "resource": "virtualmachines", "namespace": "team"}
    assert spec == who | {"resourceAttributes": {"name": "", "subresource": "", **usual, **attributes}}


@pytest.mark.parametrize(
    ("status", "allowed"),
    [
        ({"allowed": True}, True),
        ({"allowed": False}, False),
        ({"allowed": True, "denied": True}, False),
        ({"allowed": "true"}, False),
        ({"allowed": False, "evaluationError": "a role is missing"}, False),
        ({}, False),
    ],
    ids=str,
)
async def test_what_is_allowed_and_what_is_not_is_asked_once(
    client: Client, cluster: Cluster, status: Object, allowed: bool
) -> None:
    cluster.status, asks = status, rights(client)
    for _ in range(2):
        assert await asks.allowed(EVE, parse("GET", MACHINES, {})) is allowed
    assert len(cluster.asked) == 1
    cluster.status = {"allowed": not allowed}
    for other in (Caller("bob"), Caller("eve", EVE.groups), Caller("eve", EVE.groups, uid="u-2", extra=EVE.extra)):
        assert await asks.allowed(other, parse("GET", MACHINES, {})) is not allowed
    assert await asks.allowed(EVE, parse("GET", f"{MACHINES}/one", {})) is not allowed


async def test_nobody_is_asked_about_administrators_and_health_and_the_anonymous(
    client: Client, cluster: Cluster
) -> None:
    asks = rights(client)
    assert await asks.allowed(Caller("root", frozenset({"system:masters"})), parse("DELETE", MACHINES, {}))
    for path in ("/healthz", "/livez", "/readyz", "/version"):
        assert await asks.allowed(ANONYMOUS, parse("GET", path, {}))
    for path in (MACHINES, "/metrics", "/"):
        assert not await asks.allowed(ANONYMOUS, parse("GET", path, {}))
    assert not cluster.asked


@pytest.mark.parametrize("says", [True, False])
async def test_the_cluster_may_let_the_anonymous_discover_and_is_asked_once_for_all_paths(
    client: Client, cluster: Cluster, says: bool
) -> None:
    cluster.status, asks = {"allowed": says}, rights(client)
    for path in ("/apis", "/apis/kubevirt.io/v1", "/openapi/v3", "/apis/anything"):
        assert await asks.allowed(ANONYMOUS, parse("GET", path, {})) is says
        assert not await asks.allowed(ANONYMOUS, parse("POST", path, {}))
    (spec,) = cluster.asked
    assert spec["user"] == "system:anonymous"
    assert spec["nonResourceAttributes"] == {"path": "/apis", "verb": "get"}


def agent(*nodes: str) -> Caller:
    return Caller(AGENT_ACCOUNT, frozenset({AUTHENTICATED}), extra=(("authentication.kubernetes.io/node-name", nodes),))


OF_ONE = {"fieldSelector": "status.nodeName=one"}


@pytest.mark.parametrize(
    ("caller", "method", "path", "query", "asks"),
    [
        (agent("one"), "GET", INSTANCES, OF_ONE, True),
        (agent("one"), "GET", "/apis", {}, True),
        (agent("one"), "PATCH", f"{INSTANCES}/mine/status", {}, True),
        (agent("one"), "PATCH", f"{INSTANCES}/others/status", {}, False),
        (agent("one"), "GET", INSTANCES, {}, False),
        (agent("one"), "DELETE", f"{INSTANCES}/mine", {}, False),
        (agent("one"), "GET", MACHINES, {}, False),
        (agent("two"), "GET", INSTANCES, OF_ONE, False),
        (agent(""), "GET", INSTANCES, {"fieldSelector": "status.nodeName="}, False),
        (agent("one", "two"), "GET", INSTANCES, OF_ONE, False),
        (agent(), "GET", INSTANCES, OF_ONE, False),
        (Caller(AGENT_ACCOUNT), "GET", INSTANCES, OF_ONE, False),
    ],
)
@pytest.mark.parametrize("says", [True, False])
async def test_an_agent_needs_the_clusters_leave_and_keeps_to_its_node(
    client: Client,
    cluster: Cluster,
    caller: Caller,
    method: str,
    path: str,
    query: dict[str, str],
    asks: bool,
    says: bool,
) -> None:
    cluster.status = {"allowed": says}
    assert await rights(client).allowed(caller, parse(method, path, query)) is (asks and says)
    assert len(cluster.asked) == asks


async def test_a_cluster_that_fails_at_first_is_asked_again(client: Client, cluster: Cluster) -> None:
    cluster.status, cluster.failures = {"allowed": True}, [500, 429, 503]
    assert await rights(client).allowed(EVE, parse("GET", MACHINES, {}))


@pytest.mark.parametrize("failures", [[403], [401], [404], [500] * 4], ids=str)
async def test_where_the_cluster_gives_no_answer_nobody_knows_until_it_does(
    client: Client, cluster: Cluster, failures: list[int]
) -> None:
    asks, tokens = rights(client), TokenReviews(client)
    cluster.status = {"allowed": True, "authenticated": True, "user": {"username": "eve"}}
    for ask in (lambda: asks.allowed(EVE, parse("GET", MACHINES, {})), lambda: tokens.owner("secret")):
        cluster.failures = [*failures]
        with pytest.raises(StatusError) as refused:
            await ask()
        assert (refused.value.code, refused.value.retry_after_seconds) == (503, 1)
        assert "secret" not in refused.value.message
        assert await ask()


async def test_a_cluster_that_does_not_answer_is_waited_for_only_so_long(
    client: Client, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusterreviews, "REVIEW_SECONDS", 0.05)
    cluster.may_answer.clear()
    with pytest.raises(StatusError) as refused:
        await rights(client).allowed(EVE, parse("GET", MACHINES, {}))
    assert refused.value.code == 503
    cluster.may_answer.set()
