"""Reviews: who am I, what may I do; answered at once and kept nowhere."""

from typing import Any

import pytest

from tests.conformance.api import Answer, Api, Kind, Object, connected
from tests.conformance.databases import sqlite_only
from tests.server import NODE, Server

database_url = sqlite_only

ACCESS, IDENTITY = "authorization.k8s.io", "authentication.k8s.io"
SELF = Kind("SelfSubjectAccessReview", ACCESS, "v1", "selfsubjectaccessreviews")
SUBJECT = Kind("SubjectAccessReview", ACCESS, "v1", "subjectaccessreviews")
LOCAL = Kind("LocalSubjectAccessReview", ACCESS, "v1", "localsubjectaccessreviews", "default")
RULES = Kind("SelfSubjectRulesReview", ACCESS, "v1", "selfsubjectrulesreviews")
WHO = Kind("SelfSubjectReview", IDENTITY, "v1", "selfsubjectreviews")
TOKEN = Kind("TokenReview", IDENTITY, "v1", "tokenreviews")
AGENT = {"user": f"system:node:{NODE}", "groups": ["system:nodes", "system:authenticated"]}
PLURAL = "virtualmachineinstances"
READS_A_NODE = {"resourceAttributes": {"verb": "get", "resource": "nodes", "name": NODE}}


async def ask(api: Api, kind: Kind, spec: Object | None = None, **metadata: Any) -> Answer:
    body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
    return await api.call("POST", kind.path, body if spec is None else {**body, "spec": spec})


async def status(api: Api, kind: Kind, spec: Object | None = None) -> Object:
    answer = await ask(api, kind, spec)
    assert answer.code == 201, answer.body
    return answer.body["status"]


def resource(verb: str, plural: str, **more: str) -> Object:
    return {"resourceAttributes": {"verb": verb, "resource": plural, **more}}


async def test_everybody_may_ask_what_they_may_do_themselves(api: Api, server: Server) -> None:
    delete = resource("delete", "nodes", name=NODE)
    assert await status(api, SELF, delete) == {"allowed": True}
    async with connected(server, "agent") as session:
        agent = Api(session)
        assert await status(agent, SELF, READS_A_NODE) == {"allowed": True}
        for refused in (delete, resource("*", "*"), resource("get", ""), resource("get", "nodes", name="another")):
            assert await status(agent, SELF, refused) == {"allowed": False}, refused
        other_path = {"nonResourceAttributes": {"path": "/apis", "verb": "get"}}
        assert await status(agent, SELF, other_path) == {"allowed": True}
        who = await status(agent, WHO)
        assert who == {"userInfo": {"username": AGENT["user"], "groups": sorted(AGENT["groups"])}}


async def test_who_may_asks_for_others_too(api: Api, server: Server) -> None:
    assert await status(api, SUBJECT, {**READS_A_NODE, **AGENT}) == {"allowed": True}
    assert await status(api, SUBJECT, {**READS_A_NODE, "user": AGENT["user"]}) == {"allowed": False}
    masters = {**resource("*", "*", group="*"), "groups": ["system:masters"]}
    assert await status(api, SUBJECT, masters) == {"allowed": True}
    async with connected(server, "agent") as session:
        assert (await ask(Api(session), SUBJECT, masters)).code == 403


def listed(**selectors: Object) -> Object:
    return {"resourceAttributes": {"verb": "list", "group": "kubevirt.io", "resource": PLURAL, **selectors}}


def where(key: str, operator: str, *values: str) -> Object:
    return {"requirements": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "allowed"),
    [
        ({"rawSelector": f"status.nodeName={NODE}"}, True),
        (where("status.nodeName", "In", NODE), True),
        (where("status.nodeName", "In", "another"), False),
        (where("status.nodeName", "NotIn", NODE), False),
        (where("status.nodeName", "In", NODE, "another"), False),
        (where("status.nodeName", "Exists"), False),
        (where("status.nodeName", "LooksLike", NODE), False),
        (where("status.nodeName", "In", f"{NODE},status.phase=Running"), False),
        (where("a,status.nodeName", "In", NODE), False),
    ],
)
async def test_a_question_of_a_list_says_what_it_is_limited_to(api: Api, selector: Object, allowed: bool) -> None:
    assert await status(api, SUBJECT, {**listed(fieldSelector=selector), **AGENT}) == {"allowed": allowed}
    by_label = {**listed(labelSelector=where("a", "Exists")), "groups": ["system:masters"]}
    assert await status(api, SUBJECT, by_label) == {"allowed": True}


@pytest.mark.parametrize(
    ("selector", "field"),
    [
        ({}, "requirements"),
        ({"rawSelector": "a=b", **where("a", "Exists")}, "rawSelector"),
        (where("", "Exists"), "requirements[0].key"),
        (where("a", "In"), "requirements[0].values"),
        (where("a", "DoesNotExist", "b"), "requirements[0].values"),
    ],
)
@pytest.mark.parametrize("name", ["fieldSelector", "labelSelector"])
async def test_a_limit_is_said_in_one_form_and_whole(api: Api, name: str, selector: Object, field: str) -> None:
    answer = await ask(api, SELF, listed(**{name: selector}))
    assert answer.code == 422, answer.body
    assert [each["field"] for each in answer.body["details"]["causes"]] == [f"spec.resourceAttributes.{name}.{field}"]


async def test_rules_are_told_of_whoever_asks(api: Api, server: Server) -> None:
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    told = await status(api, RULES, {"namespace": "default"})
    assert (told["resourceRules"], told["incomplete"]) == ([everything], False)
    async with connected(server, "agent") as session:
        told = await status(Api(session), RULES, {"namespace": "default"})
    assert {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]} in told["resourceRules"]
    assert told["incomplete"]


async def test_a_token_is_nobodys_and_none_is_no_question(api: Api) -> None:
    told = await status(api, TOKEN, {"token": "secret"})
    assert told["authenticated"] is False
    assert told["error"] == "the token is not valid"
    for kind, empty in ((TOKEN, {}), (RULES, {})):
        answer = await ask(api, kind, empty)
        assert (answer.code, answer.body["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("kind", "spec", "field"),
    [
        (SELF, {}, "spec.resourceAttributes"),
        (SELF, {**READS_A_NODE, "nonResourceAttributes": {"path": "/"}}, "spec.nonResourceAttributes"),
        (SUBJECT, READS_A_NODE, "spec.user"),
        (LOCAL, {**resource("get", "secrets", namespace="other"), "user": "a"}, "spec.resourceAttributes.namespace"),
        (LOCAL, {"nonResourceAttributes": {"path": "/"}, "user": "a"}, "spec.nonResourceAttributes"),
    ],
)
async def test_a_question_is_about_one_thing_and_somebody(api: Api, kind: Kind, spec: Object, field: str) -> None:
    answer = await ask(api, kind, spec)
    assert (answer.code, answer.body["reason"]) == (422, "Invalid")
    assert [each["field"] for each in answer.body["details"]["causes"]] == [field]


async def test_a_question_has_no_name_and_is_not_kept(api: Api) -> None:
    named = await ask(api, SELF, READS_A_NODE, name="a")
    assert [each["field"] for each in named.body["details"]["causes"]] == ["metadata"]
    local = {**resource("get", "secrets", namespace="default"), "user": "a"}
    assert await status(api, LOCAL, local) == {"allowed": False}
    for kind in (SELF, LOCAL):
        assert (await api.call("GET", kind.path)).code == 405
        assert (await api.call("GET", f"{kind.path}/a")).code == 404
    told = (await api.call("GET", f"/apis/{ACCESS}/v1")).body["resources"]
    assert {each["name"]: (each["verbs"], "storageVersionHash" in each) for each in told} == {
        kind.plural: (["create"], False) for kind in (LOCAL, SELF, RULES, SUBJECT)
    }
    paths = (await api.call("GET", f"/openapi/v3/apis/{ACCESS}/v1")).body["paths"]
    assert {path.split("/")[-1]: sorted(item.keys() & {"get", "post"}) for path, item in paths.items()} == {
        kind.plural: ["post"] for kind in (LOCAL, SELF, RULES, SUBJECT)
    }


@pytest.mark.parametrize("shape", ["Table", "PartialObjectMetadata"])
async def test_an_answer_has_no_other_shape(api: Api, shape: str) -> None:
    body = {"apiVersion": SELF.api_version, "kind": SELF.kind, "spec": READS_A_NODE}
    headers = {"Accept": f"application/json;as={shape};v=v1;g=meta.k8s.io"}
    async with api.session.post(SELF.path, json=body, headers=headers) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (406, "NotAcceptable")
