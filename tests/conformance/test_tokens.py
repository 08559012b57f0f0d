"""Tokens of ServiceAccounts over HTTP: asked for, used, reviewed, and worth nothing once the account is gone."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conformance.api import CONFIG_MAP, Answer, Api, Kind, Object
from tests.conformance.users import BINDING, CLUSTER_BINDING, RBAC

ACCOUNT = Kind("ServiceAccount", "", "v1", "serviceaccounts", "default")
CONTROLLERS = Kind("ServiceAccount", "", "v1", "serviceaccounts", "virtplane")
MACHINE = Kind("VirtualMachine", "kubevirt.io", "v1", "virtualmachines", "default")
SECRET = Kind("Secret", "", "v1", "secrets", "default")
REVIEW = "/apis/authentication.k8s.io/v1/tokenreviews"
WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
NAME = "system:serviceaccount:default:builder"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """None of this is about storage."""
    return f"sqlite:///{tmp_path}/log.db"


@pytest.fixture
async def account(api: Api) -> Object:
    answer = await api.call("POST", ACCOUNT.path, ACCOUNT.manifest("builder"))
    assert answer.code == 201, answer.body
    return answer.body


async def request(api: Api, spec: Object | None = None, name: str = "builder", kind: Kind = ACCOUNT) -> Answer:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec or {}}
    return await api.call("POST", f"{kind.path}/{name}/token", body)


async def token(api: Api, spec: Object | None = None) -> str:
    answer = await request(api, spec)
    assert answer.code == 201, answer.body
    return answer.body["status"]["token"]


async def get(session: aiohttp.ClientSession, path: str, authorization: str) -> tuple[int, Any]:
    async with session.get(path, headers={"Authorization": authorization}) as answer:
        return answer.status, await answer.json(content_type=None)


async def review(api: Api, spec: Object) -> Object:
    return (await api.call("POST", REVIEW, {"spec": spec})).body["status"]


@pytest.mark.usefixtures("account")
async def test_a_token_is_its_account_and_has_what_roles_give_that(api: Api, bare: aiohttp.ClientSession) -> None:
    bearer = f"Bearer {await token(api)}"
    assert (await get(bare, CONFIG_MAP.path, bearer))[0] == 403
    binding = BINDING.manifest("builder")
    binding["roleRef"] = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"}
    binding["subjects"] = [{"kind": "ServiceAccount", "name": "builder", "namespace": "default"}]
    assert (await api.call("POST", BINDING.path, binding)).code == 201
    assert (await get(bare, CONFIG_MAP.path, bearer))[0] == 200
    assert (await get(bare, CONFIG_MAP.path, bearer.replace("Bearer", "bearer")))[0] == 200
    assert (await get(bare, "/api/v1/nodes", bearer))[0] == 403


async def test_a_token_tells_who_it_is(api: Api, account: Object, bare: aiohttp.ClientSession) -> None:
    headers = {"Authorization": f"Bearer {await token(api)}"}
    async with bare.post(WHOAMI, json={}, headers=headers) as answer:
        who = (await answer.json())["status"]["userInfo"]
    groups = ["system:authenticated", "system:serviceaccounts", "system:serviceaccounts:default"]
    assert (who["username"], who["groups"], who["uid"]) == (NAME, groups, account["metadata"]["uid"])
    assert who["extra"]["authentication.kubernetes.io/credential-id"][0].startswith("JTI=")


@pytest.mark.parametrize(
    ("accounts", "name", "kept"), [(CONTROLLERS, "virtplane-controllers", True), (ACCOUNT, "any", False)]
)
async def test_only_the_controllers_write_the_status_of_a_machine_whatever_roles_say(
    api: Api, bare: aiohttp.ClientSession, accounts: Kind, name: str, kept: bool
) -> None:
    assert (await api.call("POST", accounts.path, accounts.manifest(name))).code == 201
    binding = CLUSTER_BINDING.manifest(name)
    binding["roleRef"] = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"}
    binding["subjects"] = [{"kind": "ServiceAccount", "name": name, "namespace": accounts.namespace}]
    assert (await api.call("POST", CLUSTER_BINDING.path, binding)).code == 201
    guest = {"domain": {"memory": {"guest": "64Mi"}, "devices": {}}}
    machine = MACHINE.manifest("one") | {"spec": {"runStrategy": "Halted", "template": {"spec": guest}}}
    assert (await api.call("POST", MACHINE.path, machine)).code == 201
    bearer = (await request(api, name=name, kind=accounts)).body["status"]["token"]
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/merge-patch+json"}
    body = '{"status": {"printableStatus": "Running"}}'
    async with bare.patch(f"{MACHINE.path}/one/status", data=body, headers=headers) as answer:
        assert answer.status == 200
        assert ("status" in await answer.json()) is kept


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("again", [False, True])
async def test_a_token_ends_with_its_account_even_when_that_comes_again(
    api: Api, bare: aiohttp.ClientSession, again: bool
) -> None:
    bearer = f"Bearer {await token(api)}"
    assert (await get(bare, "/apis", bearer))[0] == 200
    assert (await api.call("DELETE", f"{ACCOUNT.path}/builder")).code == 200
    if again:
        assert (await api.call("POST", ACCOUNT.path, ACCOUNT.manifest("builder"))).code == 201
    assert (await get(bare, "/apis", bearer))[0] == 401


@pytest.mark.usefixtures("account")
async def test_a_token_ends_with_the_secret_that_it_is_bound_to(api: Api, bare: aiohttp.ClientSession) -> None:
    secret = (await api.call("POST", SECRET.path, SECRET.manifest("held"))).body
    reference = {"kind": "Secret", "apiVersion": "v1", "name": "held"}
    bearer = f"Bearer {await token(api, {'boundObjectRef': reference})}"
    assert (await get(bare, "/apis", bearer))[0] == 200
    other = {**reference, "uid": "another"}
    assert (await request(api, {"boundObjectRef": other})).code == 409
    assert (await request(api, {"boundObjectRef": {**reference, "uid": secret["metadata"]["uid"]}})).code == 201
    await api.call("DELETE", f"{SECRET.path}/held")
    assert (await get(bare, "/apis", bearer))[0] == 401
    assert (await request(api, {"boundObjectRef": reference})).code == 404
    assert (await request(api, {"boundObjectRef": {**reference, "kind": "Pod"}})).code == 400


@pytest.mark.usefixtures("account")
async def test_a_token_for_others_is_theirs_to_review_and_opens_nothing_here(
    api: Api, bare: aiohttp.ClientSession
) -> None:
    vaults, ours = await token(api, {"audiences": ["vault"]}), await token(api)
    code, status = await get(bare, "/apis", f"Bearer {vaults}")
    assert (code, status["message"], "details" in status) == (401, "Unauthorized", False)
    found = await review(api, {"token": vaults, "audiences": ["registry", "vault"]})
    assert (found["authenticated"], found["audiences"], found["user"]["username"]) == (True, ["vault"], NAME)
    for spec in ({"token": vaults}, {"token": ours, "audiences": ["vault"]}, {"token": vaults[:-4] + "AAAA"}):
        refused = await review(api, spec)
        assert refused == {"authenticated": False, "user": {}, "error": "the token is not valid"}
    assert (await review(api, {"token": ours}))["authenticated"]


@pytest.mark.usefixtures("account")
async def test_a_request_is_answered_with_what_became_of_it(api: Api) -> None:
    answer = await request(api)
    assert answer.code == 201
    assert answer.body["kind"] == "TokenRequest"
    assert answer.body["spec"]["expirationSeconds"] == 3600
    assert answer.body["status"].keys() == {"token", "expirationTimestamp"}
    for seconds in (599, 2**32 + 1):
        refused = await request(api, {"expirationSeconds": seconds})
        assert [each["field"] for each in refused.body["details"]["causes"]] == ["spec.expirationSeconds"]
    assert (await request(api, name="absent")).code == 404
    assert (await api.call("GET", f"{ACCOUNT.path}/builder/token")).code == 405


async def test_discovery_tells_of_it(api: Api) -> None:
    told = (await api.call("GET", "/api/v1")).body["resources"]
    entry = {"name": "serviceaccounts/token", "singularName": "", "namespaced": True, "verbs": ["create"]}
    kind = {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"}
    assert entry | kind in told
    aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    async with api.session.get("/api", headers={"Accept": aggregated}) as answer:
        listed = (await answer.json(content_type=None))["items"][0]["versions"][0]["resources"]
    accounts = [each for each in listed if each["resource"] == "serviceaccounts"]
    assert [each["subresources"] for each in accounts] == [
        [{"subresource": "token", "responseKind": kind, "verbs": ["create"]}]
    ]
    paths = (await api.call("GET", "/openapi/v3/api/v1")).body["paths"]
    assert "/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token" in paths


@pytest.mark.usefixtures("account")
async def test_the_keys_are_there_for_whoever_verifies_tokens_and_may(api: Api, bare: aiohttp.ClientSession) -> None:
    bearer = f"Bearer {await token(api)}"
    code, found = await get(bare, "/.well-known/openid-configuration", bearer)
    assert (code, found["issuer"]) == (200, "https://kubernetes.default.svc")
    code, keys = await get(bare, found["jwks_uri"].partition(str(bare._base_url.port))[2], bearer)
    assert (code, [(each["kty"], each["crv"]) for each in keys["keys"]]) == (200, [("EC", "P-256")])
    assert not any("d" in each for each in keys["keys"])
    assert (await get(bare, "/openid/v1/jwks", ""))[0] == 401


async def test_a_wrong_token_is_refused_where_the_anonymous_are_not(bare: aiohttp.ClientSession) -> None:
    assert (await get(bare, "/version", "Bearer secret"))[0] == 401
    async with bare.get("/version") as answer:
        assert answer.status == 200


async def test_a_certificate_counts_before_a_token(api: Api) -> None:
    async with api.session.get("/api/v1/nodes", headers={"Authorization": "Bearer secret"}) as answer:
        assert answer.status == 200
