"""Acting as somebody else: for those who may, with all that the other may and no more; and the audit log has both."""

import json
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conformance.api import CONFIG_MAP, Api, Object, connected
from tests.conformance.users import BINDING, CLUSTER_BINDING, CLUSTER_ROLE, enrol, grant, make_role, rule
from tests.server import Server, running_server

WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
Headers = Sequence[tuple[str, str]]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """None of this is about storage."""
    return f"sqlite:///{tmp_path}/log.db"


@pytest.fixture
async def eve(server: Server, api: Api) -> AsyncIterator[Api]:
    """Somebody who may act as a few."""
    await make_role(
        api,
        CLUSTER_ROLE,
        "stand-in",
        rule("", "users", "impersonate", "bob"),
        rule("", "groups", "impersonate", "developers"),
        rule("", "serviceaccounts", "impersonate", "builder"),
        rule("authentication.k8s.io", "uids", "impersonate", "b-1"),
        rule("authentication.k8s.io", "userextras/team/blue", "impersonate", "red"),
    )
    await grant(api, "eve", CLUSTER_BINDING, "stand-in")
    async with connected(server, enrol(server, "eve")) as session:
        yield Api(session)


async def who(api: Api, *headers: tuple[str, str]) -> tuple[int, Any]:
    async with api.session.post(WHOAMI, json={}, headers=list(headers)) as answer:
        body = await answer.json()
        return answer.status, body["status"]["userInfo"] if answer.status == 201 else body


BOB = ("Impersonate-User", "bob")
ALLOWED: list[tuple[Headers, Object]] = [
    ([BOB], {"username": "bob", "groups": ["system:authenticated"]}),
    (
        [BOB, ("Impersonate-Group", "developers"), ("Impersonate-Uid", "b-1")],
        {"username": "bob", "groups": ["developers", "system:authenticated"], "uid": "b-1"},
    ),
    (
        [BOB, ("Impersonate-Extra-team%2Fblue", "red")],
        {"username": "bob", "groups": ["system:authenticated"], "extra": {"team/blue": ["red"]}},
    ),
    (
        [("impersonate-user", "system:serviceaccount:default:builder")],
        {
            "username": "system:serviceaccount:default:builder",
            "groups": ["system:authenticated", "system:serviceaccounts", "system:serviceaccounts:default"],
        },
    ),
]


@pytest.mark.parametrize(("headers", "expected"), ALLOWED)
async def test_who_may_is_whom_they_name(eve: Api, headers: Headers, expected: Object) -> None:
    assert await who(eve, *headers) == (201, expected)


REFUSED: list[tuple[Headers, int]] = [
    ([("Impersonate-User", "alice")], 403),
    ([("Impersonate-User", "kubernetes-admin")], 403),
    ([("Impersonate-User", "system:node:one")], 403),
    ([("Impersonate-User", "system:anonymous")], 403),
    ([("Impersonate-User", "system:serviceaccount:default:other")], 403),
    ([BOB, ("Impersonate-Group", "system:masters")], 403),
    ([BOB, ("Impersonate-Group", "developers"), ("Impersonate-Group", "system:masters")], 403),
    ([BOB, ("Impersonate-Group", "system:nodes")], 403),
    ([BOB, ("Impersonate-Group", "system:authenticated")], 403),
    ([BOB, ("Impersonate-Group", "")], 403),
    ([BOB, ("Impersonate-Uid", "b-2")], 403),
    ([BOB, ("Impersonate-Extra-team%2Fblue", "green")], 403),
    ([BOB, ("Impersonate-Extra-other", "red")], 403),
    ([("Impersonate-Group", "developers")], 400),
    ([("Impersonate-Uid", "b-1")], 400),
    ([("Impersonate-Extra-team%2Fblue", "red")], 400),
    ([("Impersonate-User", ""), ("Impersonate-Group", "developers")], 400),
]


@pytest.mark.parametrize(("headers", "code"), REFUSED)
async def test_nobody_is_anybody_whom_they_may_not_be(eve: Api, headers: Headers, code: int) -> None:
    answered, body = await who(eve, *headers)
    assert (answered, body["kind"]) == (code, "Status")


async def test_whoever_acts_as_another_has_only_the_others_rights(api: Api, eve: Api) -> None:
    await grant(api, "bob", BINDING, "view")
    for session, headers, code in (
        (eve, {}, 403),
        (eve, dict([BOB]), 200),
        (api, dict([BOB]), 200),
        (api, {"Impersonate-User": "alice"}, 403),
        (api, {"Impersonate-User": "system:anonymous"}, 401),
    ):
        async with session.session.get(CONFIG_MAP.path, headers=headers) as answer:
            assert answer.status == code, headers
    secrets = CONFIG_MAP.path.replace("configmaps", "secrets")
    async with api.session.get(secrets, headers=dict([BOB])) as answer:
        assert answer.status == 403


@pytest.mark.parametrize("name", ["X-Remote-User", "X-Remote-Group", "Impersonate-User"])
async def test_headers_make_nobody_of_the_anonymous(server: Server, name: str) -> None:
    context = ssl.create_default_context(cafile=str(server.pki.authority))
    connector = aiohttp.TCPConnector(ssl=context)
    async with (
        aiohttp.ClientSession(f"https://127.0.0.1:{server.port}", connector=connector) as session,
        session.get("/apis", headers={name: "kubernetes-admin", "X-Remote-Group": "system:masters"}) as answer,
    ):
        assert (answer.status, (await answer.json())["message"]) == (401, "Unauthorized")


async def test_the_audit_log_has_who_acted_as_whom(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    async with (
        running_server(tmp_path, audit_log=log) as server,
        connected(server) as session,
        session.get(CONFIG_MAP.path, headers=dict([BOB])) as answer,
    ):
        assert answer.status == 403
    events = [json.loads(line) for line in log.read_text().splitlines()]
    (event,) = [each for each in events if each["requestURI"] == CONFIG_MAP.path]
    assert event["user"]["username"] == "kubernetes-admin"
    assert event["impersonatedUser"] == {"username": "bob", "groups": ["system:authenticated"]}
    assert event["responseStatus"]["code"] == 403
