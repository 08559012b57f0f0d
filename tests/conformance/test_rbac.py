"""Rights by roles: what they let somebody do, what they do not, and who may give them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apiserver.auth.policy import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES
from tests.conformance.api import CONFIG_MAP, Api, Kind, Object, connected
from tests.conformance.users import (
    BINDING,
    CLUSTER_BINDING,
    CLUSTER_ROLE,
    RBAC,
    ROLE,
    enrol,
    grant,
    make_role,
    rule,
)
from tests.server import Server, running_server

MACHINE = Kind("VirtualMachine", "kubevirt.io", "v1", "virtualmachines", "default")
SPEC: Object = {
    "spec": {
        "runStrategy": "Halted",
        "template": {"spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}}},
    }
}


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """None of this is about storage."""
    return f"sqlite:///{tmp_path}/log.db"


@pytest.fixture
async def eve(server: Server) -> AsyncIterator[Api]:
    """Somebody whom nobody has given anything yet."""
    async with connected(server, enrol(server, "eve", "developers")) as session:
        yield Api(session)


async def test_who_was_given_nothing_may_discover_and_ask_about_themselves(eve: Api) -> None:
    for path in ("/apis", "/api/v1", "/openapi/v3", "/version"):
        assert (await eve.call("GET", path)).code == 200, path
    for path in ("/", "/metrics", CONFIG_MAP.path, "/api/v1/namespaces/default"):
        answer = await eve.call("GET", path)
        assert (answer.code, answer.body["reason"]) == (403, "Forbidden"), path
    refused = await eve.call("POST", MACHINE.path, {**MACHINE.manifest("one"), **SPEC})
    assert refused.code == 403
    assert refused.body["message"] == (
        'virtualmachines.kubevirt.io is forbidden: User "eve" cannot create resource "virtualmachines" in API group '
        '"kubevirt.io" in the namespace "default"'
    )


async def test_a_role_lets_its_user_do_in_its_namespace_what_it_says_and_nothing_else(api: Api, eve: Api) -> None:
    await make_role(api, ROLE, "maker", rule("kubevirt.io", "virtualmachines", "create get"))
    await grant(api, "eve", BINDING, "maker", role_kind="Role")
    assert (await eve.call("POST", MACHINE.path, {**MACHINE.manifest("one"), **SPEC})).code == 201
    assert (await eve.call("GET", f"{MACHINE.path}/one")).code == 200
    for method, path in (
        ("DELETE", f"{MACHINE.path}/one"),
        ("PUT", f"{MACHINE.path}/one/status"),
        ("GET", MACHINE.path),
        ("GET", MACHINE.path.replace("default", "kube-public") + "/one"),
        ("GET", f"/apis/subresources.kubevirt.io/v1/namespaces/default/{MACHINE.plural}/one/expand-spec"),
    ):
        assert (await eve.call(method, path, {})).code == 403, (method, path)


async def test_rights_end_with_the_binding(api: Api, eve: Api) -> None:
    bound = await grant(api, "eve", BINDING, "view")
    assert (await eve.call("GET", CONFIG_MAP.path)).code == 200
    assert (await eve.call("GET", CONFIG_MAP.path.replace("configmaps", "secrets"))).code == 403
    await api.call("DELETE", f"{BINDING.path}/{bound['metadata']['name']}")
    assert (await eve.call("GET", CONFIG_MAP.path)).code == 403


@pytest.mark.parametrize(
    ("role", "verb", "group", "resource", "allowed"),
    [
        ("view", "list", "kubevirt.io", "virtualmachines", True),
        ("view", "create", "kubevirt.io", "virtualmachines", False),
        ("edit", "create", "kubevirt.io", "virtualmachines", True),
        ("edit", "update", "subresources.kubevirt.io", "virtualmachines/start", True),
        ("edit", "update", "kubevirt.io", "virtualmachines/start", False),
        ("edit", "deletecollection", "kubevirt.io", "virtualmachines", False),
        ("edit", "create", "kubevirt.io", "virtualmachineinstancemigrations", False),
        ("admin", "deletecollection", "kubevirt.io", "virtualmachines", True),
        ("admin", "create", RBAC, "rolebindings", True),
        ("edit", "create", RBAC, "rolebindings", False),
        ("kubevirt.io:migrate", "update", "subresources.kubevirt.io", "virtualmachines/migrate", True),
        ("kubevirt.io:migrate", "create", "kubevirt.io", "virtualmachineinstancemigrations", True),
        ("cluster-admin", "*", "*", "*", True),
    ],
)
async def test_the_default_roles_grant_what_their_names_say(
    api: Api, server: Server, role: str, verb: str, group: str, resource: str, allowed: bool
) -> None:
    await grant(api, "eve", BINDING, role)
    plural, _, subresource = resource.partition("/")
    asked = {"verb": verb, "group": group, "resource": plural, "subresource": subresource, "namespace": "default"}
    review = {"spec": {"resourceAttributes": asked, "user": "eve"}}
    answer = await api.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    assert answer.body["status"]["allowed"] is allowed


async def test_defaults_that_were_spoilt_are_whole_after_a_restart_and_what_was_added_stays(tmp_path: Path) -> None:
    view, kept, bound = (f"{CLUSTER_ROLE.path}/{name}" for name in ("system:aggregate-to-view", "view", "admin"))
    first = f"{CLUSTER_BINDING.path}/system:discovery"
    added = rule("example.io", "gadgets", "get")
    async with running_server(tmp_path) as server, connected(server) as session:
        api = Api(session)
        names = {each["metadata"]["name"] for each in (await api.call("GET", CLUSTER_ROLE.path)).body["items"]}
        assert names == {each["metadata"]["name"] for each in CLUSTER_ROLES}
        assert len((await api.call("GET", CLUSTER_BINDING.path)).body["items"]) == len(CLUSTER_ROLE_BINDINGS)
        spoilt = (await api.call("GET", view)).body
        original = spoilt["rules"]
        assert (await api.call("PUT", view, {**spoilt, "rules": [added]})).code == 200
        alone = {"metadata": {"annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}}}
        for path, change in ((kept, alone), (kept, {"aggregationRule": None})):
            answer = await api.call("PATCH", path, change, content_type="application/merge-patch+json")
            assert answer.code == 200, answer.body
        for path in (bound, first):
            assert (await api.call("DELETE", path)).code == 200
    async with running_server(tmp_path) as server, connected(server) as session:
        api = Api(session)
        rules = (await api.call("GET", view)).body["rules"]
        assert rules[0] == added
        assert {one for each in rules for one in each["resources"]} >= {
            one for each in original for one in each["resources"]
        }
        assert "aggregationRule" not in (await api.call("GET", kept)).body
        for path in (bound, first):
            assert (await api.call("GET", path)).code == 200


async def test_nobody_gives_away_by_a_role_what_they_do_not_have(api: Api, eve: Api) -> None:
    await grant(api, "eve", BINDING, "admin")
    held = rule("kubevirt.io", "virtualmachines", "get create")
    mine = await make_role(eve, ROLE, "mine", held)
    too_much = rule("", "nodes", "get")
    refused = await eve.call("POST", ROLE.path, {**ROLE.manifest("more"), "rules": [held, too_much]})
    assert (refused.code, refused.body["reason"]) == (403, "Forbidden")
    assert refused.body["message"] == (
        f'roles.{RBAC} "more" is forbidden: user "eve" (groups=["developers", "system:authenticated"]) is attempting '
        'to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["nodes"], Verbs:["get"]}'
    )
    path = f"{ROLE.path}/mine"
    assert (await eve.call("PUT", path, {**mine, "rules": [too_much]})).code == 403
    patch = {"rules": [too_much]}
    assert (await eve.call("PATCH", path, patch, content_type="application/merge-patch+json")).code == 403
    await make_role(api, ROLE, "escalator", rule(RBAC, "roles", "escalate", "mine"))
    await grant(api, "eve", BINDING, "escalator", role_kind="Role")
    assert (await eve.call("PATCH", path, patch, content_type="application/merge-patch+json")).code == 200
    assert (await eve.call("POST", ROLE.path, {**ROLE.manifest("more"), "rules": [too_much]})).code == 403


async def test_nobody_binds_a_role_that_has_more_than_they_do(api: Api, eve: Api) -> None:
    await grant(api, "eve", BINDING, "admin")
    binding = BINDING.manifest("b")
    binding["subjects"] = [{"apiGroup": RBAC, "kind": "User", "name": "bob"}]

    async def bind(name: str, kind: str = "ClusterRole") -> int:
        body = {**binding, "metadata": {"name": f"b-{name}"}, "roleRef": {"kind": kind, "name": name}}
        return (await eve.call("POST", BINDING.path, body)).code

    assert await bind("view") == 201
    assert await bind("cluster-admin") == 403
    assert await bind("absent", "Role") == 404
    await make_role(api, CLUSTER_ROLE, "binder", rule(RBAC, "clusterroles", "bind", "cluster-admin"))
    await grant(api, "eve", BINDING, "binder")
    assert await bind("cluster-admin") == 201


async def test_a_role_made_of_others_is_for_those_who_may_everything(api: Api, eve: Api) -> None:
    everything = rule(RBAC, "clusterroles", "create")
    await make_role(api, CLUSTER_ROLE, "role-maker", everything)
    await grant(api, "eve", CLUSTER_BINDING, "role-maker")
    body = {
        **CLUSTER_ROLE.manifest("sum"),
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]},
    }
    assert (await eve.call("POST", CLUSTER_ROLE.path, body)).code == 403
    await grant(api, "eve", CLUSTER_BINDING, "cluster-admin")
    assert (await eve.call("POST", CLUSTER_ROLE.path, body)).code == 201
    unusable = {"clusterRoleSelectors": [{"matchExpressions": [{"key": "a", "operator": "In", "values": []}]}]}
    refused = await eve.call("POST", CLUSTER_ROLE.path, {**CLUSTER_ROLE.manifest("b"), "aggregationRule": unusable})
    fields = [each["field"] for each in refused.body["details"]["causes"]]
    assert (refused.code, fields) == (422, ["aggregationRule.clusterRoleSelectors[0]"])


async def test_an_agent_gains_nothing_by_a_role_and_the_anonymous_neither(api: Api, server: Server) -> None:
    for name in ("system:node:one", "system:anonymous"):
        body = CLUSTER_BINDING.manifest(name)
        body["roleRef"] = {"kind": "ClusterRole", "name": "cluster-admin"}
        body["subjects"] = [{"kind": "User", "name": name}]
        assert (await api.call("POST", CLUSTER_BINDING.path, body)).code == 201
    async with connected(server, "agent") as session:
        assert (await Api(session).call("GET", CONFIG_MAP.path)).code == 403
    async with connected(server) as session:
        review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "nodes"}, "user": "system:anonymous"}}
        answer = await Api(session).call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        assert answer.body["status"] == {"allowed": False}


async def test_the_rules_that_somebody_has_are_told_by_namespace(api: Api, eve: Api) -> None:
    await make_role(api, ROLE, "maker", rule("kubevirt.io", "virtualmachines", "create", "one"))
    await grant(api, "eve", BINDING, "maker", role_kind="Role")
    told: dict[str, Object] = {}
    for namespace in ("default", "kube-public"):
        review = {"spec": {"namespace": namespace}}
        answer = await eve.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review)
        told[namespace] = answer.body["status"]
    given = rule("kubevirt.io", "virtualmachines", "create", "one")
    assert given in told["default"]["resourceRules"]
    assert given not in told["kube-public"]["resourceRules"]
    assert any("/apis/*" in each["nonResourceURLs"] for each in told["default"]["nonResourceRules"])
