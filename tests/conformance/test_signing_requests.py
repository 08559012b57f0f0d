"""CertificateSigningRequests: who asks is what the server knows, one decides, another signs."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests import signing
from tests.conformance.api import Answer, Api, Kind, Object, connected
from tests.conformance.databases import sqlite_only
from tests.conformance.users import CLUSTER_BINDING, CLUSTER_ROLE, enrol, grant, make_role, rule
from tests.server import Server

database_url = sqlite_only
GROUP = "certificates.k8s.io"
REQUEST = Kind("CertificateSigningRequest", GROUP, "v1", "certificatesigningrequests")
SIGNER = "example.com/signer"
ONE = f"{REQUEST.path}/one"


async def ask(api: Api, name: str = "one", **spec: Any) -> Answer:
    usual = {"request": signing.request(), "signerName": SIGNER, "usages": ["client auth"]}
    content = {key: value for key, value in (usual | spec).items() if value is not None}
    return await api.call("POST", REQUEST.path, {**REQUEST.manifest(name), "spec": content})


async def change(api: Api, subresource: str, status: Object, **metadata: Any) -> Answer:
    change = {"metadata": metadata, "status": status}
    return await api.call("PATCH", f"{ONE}/{subresource}", change, content_type="application/merge-patch+json")


def conditions(*types: str, status: str = "True") -> Object:
    return {"conditions": [{"type": each, "status": status, "reason": "Tested"} for each in types]}


def types(answer: Answer) -> list[str]:
    assert answer.code == 200, answer.body
    return [each["type"] for each in answer.body["status"].get("conditions", [])]


def causes(answer: Answer) -> list[str]:
    assert answer.code == 422, answer.body
    return [each["field"] for each in answer.body["details"]["causes"]]


@pytest.fixture
async def jane(server: Server) -> AsyncIterator[Api]:
    """Somebody with no rights at all, yet."""
    async with connected(server, enrol(server, "jane", "guests")) as session:
        yield Api(session)


async def test_who_asks_is_the_caller_whatever_is_sent(api: Api, jane: Api) -> None:
    await make_role(api, CLUSTER_ROLE, "asks", rule(GROUP, "certificatesigningrequests", "create"))
    await grant(api, "jane", CLUSTER_BINDING, "asks")
    lies = {"username": "admin", "uid": "1", "groups": ["system:masters"], "extra": {"a": ["b"]}}
    created = (await ask(jane, **lies)).body
    assert created["spec"]["username"] == "jane"
    assert created["spec"]["groups"] == ["guests", "system:authenticated"]
    assert not created["spec"].keys() & {"uid", "extra"}


async def test_all_that_is_known_of_who_asks_is_written_down(api: Api) -> None:
    headers = {
        "Impersonate-User": "joan",
        "Impersonate-Uid": "7",
        "Impersonate-Group": "system:masters",
        "Impersonate-Extra-Team": "red",
    }
    spec = {"request": signing.request(), "signerName": SIGNER, "usages": ["client auth"]}
    async with api.session.post(
        REQUEST.path, json={**REQUEST.manifest("one"), "spec": spec}, headers=headers
    ) as answer:
        asked = (await answer.json())["spec"]
    assert (asked["username"], asked["uid"], asked["extra"]) == ("joan", "7", {"team": ["red"]})


async def test_nothing_is_approved_or_signed_by_creating_it(api: Api) -> None:
    body = {
        **REQUEST.manifest("one"),
        "spec": {"request": signing.request(), "signerName": SIGNER, "usages": ["client auth"]},
        "status": {**conditions("Approved"), "certificate": signing.certificate()},
    }
    assert (await api.call("POST", REQUEST.path, body)).body["status"] == {}


async def test_a_request_cannot_be_changed(api: Api) -> None:
    await ask(api)
    other = {"spec": {"username": "x", "request": signing.request("joan")}, "status": conditions("Approved")}
    before = await api.get(REQUEST, "one") or {}
    after = await api.patch(REQUEST, "one", other)
    assert (after["spec"], after["status"]) == (before["spec"], before["status"])
    labelled = await api.patch(REQUEST, "one", {"metadata": {"labels": {"a": "b"}}})
    assert labelled["metadata"]["labels"] == {"a": "b"}
    for subresource in ("approval", "status"):
        answer = await api.call(
            "PATCH", f"{ONE}/{subresource}", {"spec": {"username": "x"}}, content_type="application/merge-patch+json"
        )
        assert answer.body["spec"] == labelled["spec"]


REFUSED: list[tuple[Object, list[str]]] = [
    ({"request": signing.encoded("no PEM")}, ["spec.request"]),
    ({"request": "%"}, ["spec.request"]),
    ({"request": signing.certificate()}, ["spec.request"]),
    ({"request": signing.forged_request()}, ["spec.request"]),
    ({"request": signing.request_of_version(7)}, ["spec.request"]),
    ({"request": None}, ["spec.request"]),
    ({"usages": []}, ["spec.usages"]),
    ({"usages": None}, ["spec.usages"]),
    ({"usages": ["client auth", "espionage", "client auth"]}, ["spec.usages[1]", "spec.usages[2]"]),
    ({"signerName": ""}, ["spec.signerName"]),
    ({"signerName": "example.com"}, ["spec.signerName"]),
    ({"signerName": "local/signer"}, ["spec.signerName"]),
    ({"signerName": "Example.com/a..b"}, ["spec.signerName", "spec.signerName"]),
    ({"signerName": f"{'a.' * 127}com/a"}, ["spec.signerName"]),
    ({"signerName": "kubernetes.io/legacy-unknown"}, ["spec.signerName"]),
    ({"expirationSeconds": 599}, ["spec.expirationSeconds"]),
]


@pytest.mark.parametrize(("spec", "wrong"), REFUSED)
async def test_what_no_signer_could_sign_is_refused(api: Api, spec: Object, wrong: list[str]) -> None:
    assert causes(await ask(api, **spec)) == wrong


async def test_ten_minutes_are_long_enough_and_any_name_is_good(api: Api) -> None:
    asked = await ask(api, "node-csr:One", expirationSeconds=600)
    assert asked.code == 201, asked.body


async def test_nobody_asks_to_be_an_administrator(api: Api) -> None:
    client = "kubernetes.io/kube-apiserver-client"
    refused = await ask(api, request=signing.request("jane", "system:masters"), signerName=client)
    assert refused.code == 403
    assert "system:masters group is not allowed" in refused.body["message"]
    assert (await ask(api, request=signing.request("jane", "guests"), signerName=client)).code == 201


async def test_approval_sets_conditions_and_no_certificate(api: Api) -> None:
    await ask(api)
    status = {**conditions("Approved", "Own"), "certificate": signing.certificate()}
    approved = await change(api, "approval", status, labels={"a": "b"})
    assert types(approved) == ["Approved", "Own"]
    assert "certificate" not in approved.body["status"]
    assert approved.body["metadata"]["labels"] == {"a": "b"}
    condition = approved.body["status"]["conditions"][0]
    assert (
        condition["lastUpdateTime"] == condition["lastTransitionTime"] >= approved.body["metadata"]["creationTimestamp"]
    )
    read = await api.call("GET", f"{ONE}/approval")
    assert read.body == approved.body


async def test_a_decision_stays_as_it_was_made(api: Api) -> None:
    await ask(api)
    await change(api, "approval", conditions("Approved"))
    assert causes(await change(api, "approval", conditions("Denied"))) == ["status.conditions"]
    assert causes(await change(api, "approval", conditions("Approved", "Denied"))) == ["status.conditions[1].type"]
    assert causes(await change(api, "approval", {"conditions": None})) == ["status.conditions"]


async def test_a_decision_is_true_and_made_once(api: Api) -> None:
    await ask(api)
    assert causes(await change(api, "approval", conditions("Denied", status="False"))) == [
        "status.conditions[0].status"
    ]
    assert causes(await change(api, "approval", conditions("Own", status="Perhaps"))) == ["status.conditions[0].status"]
    assert types(await change(api, "approval", conditions("Own", status="Unknown"))) == ["Own"]


async def test_the_status_takes_a_certificate_once_and_keeps_the_decision(api: Api) -> None:
    await ask(api)
    assert causes(await change(api, "status", conditions("Approved"))) == ["status.conditions"]
    await change(api, "approval", conditions("Approved"))
    issued = await change(api, "status", {"certificate": signing.certificate(), "conditions": None})
    assert types(issued) == ["Approved"]
    assert issued.body["status"]["certificate"]
    again = await change(api, "status", {"certificate": signing.certificate("joan")})
    assert causes(again) == ["status.certificate"]
    assert causes(await change(api, "status", {"certificate": None})) == ["status.certificate"]
    assert types(await change(api, "status", conditions("Failed"))) == ["Approved", "Failed"]
    assert causes(await change(api, "status", {"conditions": None})) == ["status.conditions"]


@pytest.mark.parametrize(
    "certificate",
    [signing.encoded("no PEM"), "%", signing.request(), signing.encoded("-----BEGIN CERTIFICATE-----\nAA\n")],
)
async def test_what_is_no_certificate_is_refused(api: Api, certificate: str) -> None:
    await ask(api)
    assert causes(await change(api, "status", {"certificate": certificate})) == ["status.certificate"]


async def test_who_decides_and_who_signs_needs_a_verb_on_the_signer(api: Api, jane: Api) -> None:
    await ask(api)
    parts = "certificatesigningrequests/approval certificatesigningrequests/status"
    await make_role(api, CLUSTER_ROLE, "writes", rule(GROUP, parts, "patch"))
    await grant(api, "jane", CLUSTER_BINDING, "writes")
    certificate = {"certificate": signing.certificate()}
    for subresource, status, verb in (("approval", conditions("Approved"), "approve"), ("status", certificate, "sign")):
        refused = await change(jane, subresource, status)
        assert refused.code == 403
        assert f'not permitted to {verb} requests with signerName "{SIGNER}"' in refused.body["message"]
    assert (await change(jane, "status", {}, labels={"a": "b"})).code == 200
    await make_role(api, CLUSTER_ROLE, "approves", rule(GROUP, "signers", "approve", SIGNER))
    await make_role(api, CLUSTER_ROLE, "signs", rule(GROUP, "signers", "sign", "example.com/*"))
    await grant(api, "jane", CLUSTER_BINDING, "approves")
    assert types(await change(jane, "approval", conditions("Approved"))) == ["Approved"]
    assert (await change(jane, "status", certificate)).code == 403
    await grant(api, "jane", CLUSTER_BINDING, "signs")
    assert (await change(jane, "status", certificate)).body["status"]["certificate"] == certificate["certificate"]


async def test_requests_are_selected_by_their_signer(api: Api) -> None:
    await ask(api)
    await ask(api, "two", signerName="example.org/other")
    found = await api.call("GET", REQUEST.path, fieldSelector="spec.signerName=example.org/other")
    assert [each["metadata"]["name"] for each in found.body["items"]] == ["two"]


async def test_who_decided_is_the_manager_of_the_subresource(api: Api) -> None:
    await ask(api)
    approved = await change(api, "approval", conditions("Approved"))
    managers = {each.get("subresource", ""): each["fieldsV1"] for each in approved.body["metadata"]["managedFields"]}
    assert managers.keys() == {"", "approval"}
    assert 'k:{"type":"Approved"}' in managers["approval"]["f:status"]["f:conditions"]
