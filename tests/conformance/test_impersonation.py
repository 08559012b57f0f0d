"""Acting as somebody else: for those who may, with all that the other may and no more; and the audit log has both."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.api import CONFIG_MAP, Api, Object, connected
from tests.conformance.users import BINDING, enrol, grant
from tests.forgeries import Headers, give_a_little
from tests.server import Server, running_server

WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """None of this is about storage."""
    return f"sqlite:///{tmp_path}/log.db"


@pytest.fixture
async def eve(server: Server, api: Api) -> AsyncIterator[Api]:
    """Somebody who may act as a few."""
    await give_a_little(api, "eve")
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
