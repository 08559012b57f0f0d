"""Bootstrap tokens over HTTP: whom they stand for, what these may do, and which are nobody's."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kube.bootstraptokens import AGENTS_GROUP
from tests.conformance.api import Api, Kind, Object
from virtplane.tokens import token_secret

SECRET = Kind("Secret", "", "v1", "secrets", "kube-system")
WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW = "/apis/authentication.k8s.io/v1/tokenreviews"
TOKEN = "abcdef.0123456789abcdef"
EARLIER = "2026-01-01T00:00:00Z"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """None of this is about storage."""
    return f"sqlite:///{tmp_path}/log.db"


async def make(api: Api, *, ttl: timedelta = timedelta(hours=1), **values: str) -> Object:
    body = token_secret(TOKEN, node="", lives=ttl)
    body["stringData"] |= values
    answer = await api.call("POST", SECRET.path, body)
    assert answer.code == 201, answer.body
    return answer.body


async def whoami(session: aiohttp.ClientSession, token: str = TOKEN) -> tuple[int, Any]:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    async with session.post(WHOAMI, json=body, headers={"Authorization": f"Bearer {token}"}) as answer:
        return answer.status, await answer.json()


async def test_a_token_stands_for_its_id_and_groups(api: Api, bare: aiohttp.ClientSession) -> None:
    await make(api)
    code, review = await whoami(bare)
    assert code == 201
    groups = ["system:authenticated", "system:bootstrappers", AGENTS_GROUP]
    assert review["status"]["userInfo"] == {"username": "system:bootstrap:abcdef", "groups": groups}


async def test_it_may_ask_for_a_certificate_and_nothing_else(api: Api, bare: aiohttp.ClientSession) -> None:
    await make(api)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for path, code in {
        "/apis/certificates.k8s.io/v1/certificatesigningrequests/one": 404,
        "/api/v1/nodes": 403,
        "/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef": 403,
        "/apis/kubevirt.io/v1/virtualmachines": 403,
    }.items():
        async with bare.get(path, headers=headers) as answer:
            assert answer.status == code, path


@pytest.mark.parametrize(
    "token", ["abcdef.0123456789abcdeg", "abcdee.0123456789abcdef", "abcdef.", "ABCDEF.0123456789ABCDEF"]
)
async def test_another_token_is_nobodys(api: Api, bare: aiohttp.ClientSession, token: str) -> None:
    await make(api)
    code, status = await whoami(bare, token)
    assert (code, status["message"]) == (401, "Unauthorized")


@pytest.mark.parametrize(
    "values",
    [
        {"expiration": EARLIER},
        {"expiration": "tomorrow"},
        {"expiration": "2999-01-01T00:00:00"},
        {"usage-bootstrap-authentication": "false"},
        {"token-id": "abcdeg"},
        {"token-secret": ""},
        {"auth-extra-groups": "system:masters"},
        {"auth-extra-groups": "system:bootstrappers:Agents"},
    ],
    ids=str,
)
async def test_what_its_secret_does_not_say_counts_for_nothing(
    api: Api, bare: aiohttp.ClientSession, values: dict[str, str]
) -> None:
    await make(api, **values)
    assert (await whoami(bare))[0] == 401


async def test_a_secret_of_another_type_is_no_token(api: Api, bare: aiohttp.ClientSession) -> None:
    body = token_secret(TOKEN, node="", lives=timedelta(hours=1))
    assert (await api.call("POST", SECRET.path, body | {"type": "Opaque"})).code == 201
    assert (await whoami(bare))[0] == 401


async def test_a_review_knows_it_for_this_server_alone(api: Api) -> None:
    await make(api)
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    own = (await api.call("POST", REVIEW, review | {"spec": {"token": TOKEN}})).body["status"]
    assert (own["authenticated"], own["user"]["username"]) == (True, "system:bootstrap:abcdef")
    other = await api.call("POST", REVIEW, review | {"spec": {"token": TOKEN, "audiences": ["elsewhere"]}})
    assert other.body["status"]["authenticated"] is False


@pytest.mark.usefixtures("controllers")
async def test_it_is_deleted_when_its_time_is_over(api: Api, bare: aiohttp.ClientSession) -> None:
    await make(api, ttl=timedelta(seconds=1))
    await api.until(SECRET, lambda found: not found)
    assert (await whoami(bare))[0] == 401
