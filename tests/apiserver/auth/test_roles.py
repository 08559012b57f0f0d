"""Roles and bindings: who may do what by them, in which namespace, and what follows when they change."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from apiserver.auth.attributes import RequestInfo
from apiserver.auth.roles import GROUP, Roles
from apiserver.auth.rules import Rule, not_covered
from apiserver.machinery.resource import Caller

Object = dict[str, Any]
EVE = Caller("eve", frozenset({"system:authenticated", "developers"}))


class Memory:
    """Objects by their kinds, and how often they have changed."""

    def __init__(self, **kinds: list[Object]) -> None:
        self.kinds = {f"{plural}.{GROUP}": objects for plural, objects in kinds.items()}
        self.changes = 1

    def one(self, kind: str, namespace: str, name: str) -> Object | None:
        return next((each for each in self.all(kind, namespace) if each["metadata"]["name"] == name), None)

    def all(self, kind: str, namespace: str | None = None) -> Iterator[Object]:
        every = self.kinds.get(kind, [])
        return (each for each in every if namespace in (None, each["metadata"].get("namespace", "")))

    def revision(self, _kind: str) -> int:
        return self.changes


def role(name: str, *rules: Object, namespace: str = "", **more: Any) -> Object:
    metadata = {"name": name, "labels": more.pop("labels", {})} | ({"namespace": namespace} if namespace else {})
    return {"metadata": metadata, "rules": list(rules), **more}


def rule(groups: str, resources: str, verbs: str, names: str = "") -> Object:
    return {
        "apiGroups": ["" if each == "core" else each for each in groups.split()],
        "resources": resources.split(),
        "verbs": verbs.split(),
        "resourceNames": names.split(),
    }


def binding(to: str, *subjects: str, namespace: str = "", kind: str = "ClusterRole") -> Object:
    named = [dict(zip(("kind", "name", "namespace"), subject.split("/"), strict=False)) for subject in subjects]
    metadata = {"name": to} | ({"namespace": namespace} if namespace else {})
    return {"metadata": metadata, "roleRef": {"kind": kind, "name": to}, "subjects": named}


def asked(verb: str, resource: str, group: str = "", namespace: str = "", name: str = "") -> RequestInfo:
    plural, _, subresource = resource.partition("/")
    return RequestInfo(
        verb=verb, path="", group=group, resource=plural, subresource=subresource, namespace=namespace, name=name
    )


RULES = [
    (rule("core", "secrets", "get"), asked("get", "secrets"), True),
    (rule("core", "secrets", "get"), asked("list", "secrets"), False),
    (rule("core", "secrets", "get"), asked("get", "secrets", "apps"), False),
    (rule("core", "secrets", "*"), asked("delete", "secrets"), True),
    (rule("*", "secrets", "get"), asked("get", "secrets", "apps"), True),
    (rule("core", "*", "get"), asked("get", "nodes"), True),
    (rule("core", "*", "get"), asked("get", "nodes/status"), True),
    (rule("core", "nodes", "get"), asked("get", "nodes/status"), False),
    (rule("core", "nodes/status", "get"), asked("get", "nodes/status"), True),
    (rule("core", "nodes/status", "get"), asked("get", "nodes"), False),
    (rule("core", "*/scale", "get"), asked("get", "pools/scale"), True),
    (rule("core", "*/scale", "get"), asked("get", "pools"), False),
    (rule("core", "*/scale", "get"), asked("get", "pools/status"), False),
    (rule("core", "nodes/*", "get"), asked("get", "nodes/status"), False),
    (rule("core", "secrets", "get", "a b"), asked("get", "secrets", name="b"), True),
    (rule("core", "secrets", "get", "a b"), asked("get", "secrets", name="c"), False),
    (rule("core", "secrets", "create", "a"), asked("create", "secrets"), False),
    (
        rule("subresources.kubevirt.io", "virtualmachines/start", "update"),
        asked("update", "virtualmachines/start"),
        False,
    ),
    (
        rule("kubevirt.io", "virtualmachines/start", "update"),
        asked("update", "virtualmachines/start", "subresources.kubevirt.io"),
        False,
    ),
    ({"nonResourceURLs": ["/metrics"], "verbs": ["get"]}, RequestInfo(verb="get", path="/metrics"), True),
    ({"nonResourceURLs": ["/metrics"], "verbs": ["get"]}, RequestInfo(verb="get", path="/metrics/a"), False),
    ({"nonResourceURLs": ["/apis/*"], "verbs": ["get"]}, RequestInfo(verb="get", path="/apis/a/b"), True),
    ({"nonResourceURLs": ["/apis/*"], "verbs": ["get"]}, RequestInfo(verb="post", path="/apis/a/b"), False),
    ({"nonResourceURLs": ["*"], "verbs": ["*"]}, RequestInfo(verb="put", path="/any"), True),
    ({"nonResourceURLs": ["*"], "verbs": ["*"]}, asked("get", "secrets"), False),
    (rule("*", "*", "*"), RequestInfo(verb="get", path="/metrics"), False),
]


@pytest.mark.parametrize(("policy", "request_info", "allowed"), RULES)
def test_a_rule_allows_what_it_names(policy: Object, request_info: RequestInfo, allowed: bool) -> None:
    memory = Memory(clusterroles=[role("r", policy)], clusterrolebindings=[binding("r", "User/eve")])
    assert Roles(memory).allows(EVE, request_info) is allowed


READS = rule("core", "secrets", "get")
BOUND = [
    ("User/eve", "eve", True),
    ("User/bob", "eve", False),
    ("Group/developers", "eve", True),
    ("Group/eve", "eve", False),
    ("User/developers", "eve", False),
    ("ServiceAccount/builder/team", "system:serviceaccount:team:builder", True),
    ("ServiceAccount/builder", "system:serviceaccount:team:builder", True),
    ("ServiceAccount/builder/other", "system:serviceaccount:team:builder", False),
    ("ServiceAccount/eve/team", "eve", False),
]


@pytest.mark.parametrize(("subject", "name", "allowed"), BOUND)
def test_a_binding_is_for_its_subjects_in_its_namespace(subject: str, name: str, allowed: bool) -> None:
    caller = Caller(name, EVE.groups)
    for kind, kept in (("Role", "roles"), ("ClusterRole", "clusterroles")):
        defined = role("r", READS, namespace="team" if kind == "Role" else "")
        memory = Memory(**{kept: [defined], "rolebindings": [binding("r", subject, namespace="team", kind=kind)]})
        roles = Roles(memory)
        assert roles.allows(caller, asked("get", "secrets", namespace="team")) is allowed
        assert not roles.allows(caller, asked("get", "secrets", namespace="other"))
        assert not roles.allows(caller, asked("get", "secrets"))


def test_a_role_of_another_namespace_is_another_role() -> None:
    memory = Memory(
        roles=[role("r", READS, namespace="other")],
        rolebindings=[binding("r", "User/eve", namespace="team", kind="Role")],
    )
    assert not Roles(memory).allows(EVE, asked("get", "secrets", namespace="team"))


def test_an_aggregated_role_has_the_rules_of_its_parts_and_of_theirs_and_none_of_its_own() -> None:
    def selecting(label: str) -> Object:
        return {"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]}

    memory = Memory(
        clusterroles=[
            role("admin", rule("core", "nodes", "get"), aggregationRule=selecting("to-admin")),
            role("edit", labels={"to-admin": "true"}, aggregationRule=selecting("to-edit")),
            role("part", READS, labels={"to-edit": "true"}),
            role("loop", labels={"to-edit": "true"}, aggregationRule=selecting("to-edit")),
        ],
        clusterrolebindings=[binding("admin", "User/eve")],
    )
    roles = Roles(memory)
    assert roles.allows(EVE, asked("get", "secrets"))
    assert not roles.allows(EVE, asked("get", "nodes"))


def test_an_unusable_selector_takes_nothing_from_others() -> None:
    broken = {"clusterRoleSelectors": [{"matchExpressions": [{"key": "a", "operator": "Like"}]}]}
    memory = Memory(
        clusterroles=[role("broken", aggregationRule=broken), role("r", READS)],
        clusterrolebindings=[binding("r", "User/eve"), binding("broken", "User/eve")],
    )
    assert Roles(memory).allows(EVE, asked("get", "secrets"))


def test_a_change_counts_at_once() -> None:
    memory = Memory(clusterroles=[role("r", READS)], clusterrolebindings=[binding("r", "User/eve")])
    roles = Roles(memory)
    assert roles.allows(EVE, asked("get", "secrets"))
    memory.kinds[f"clusterrolebindings.{GROUP}"].clear()
    memory.changes += 1
    assert not roles.allows(EVE, asked("get", "secrets"))


COVERED = [
    (rule("core", "secrets", "get list"), [rule("core", "secrets", "get"), rule("core", "secrets", "list")], 0),
    (rule("core", "secrets", "get list"), [rule("core", "secrets", "get")], 1),
    (rule("core", "secrets", "*"), [rule("core", "secrets", "get list watch create update patch delete")], 1),
    (rule("core", "pools/scale", "get"), [rule("core", "*/scale", "get")], 0),
    (rule("core", "*/scale", "get"), [rule("core", "pools/scale", "get")], 1),
    (rule("core", "secrets", "get"), [rule("core", "secrets", "get", "a")], 1),
    (rule("core", "secrets", "get", "a b"), [rule("core", "secrets", "get", "a")], 1),
    (rule("core", "secrets", "get", "a"), [rule("core", "secrets", "get")], 0),
    ({"nonResourceURLs": ["/a/*"], "verbs": ["get"]}, [{"nonResourceURLs": ["/a/b"], "verbs": ["get"]}], 1),
    ({"nonResourceURLs": ["/a/b"], "verbs": ["get"]}, [{"nonResourceURLs": ["/a/*"], "verbs": ["get"]}], 0),
    ({"nonResourceURLs": ["/a"], "verbs": ["get"]}, [rule("*", "*", "*")], 1),
]


@pytest.mark.parametrize(("wanted", "held", "missing"), COVERED)
def test_what_is_not_held_is_found_out_part_by_part(wanted: Object, held: list[Object], missing: int) -> None:
    assert len(not_covered([Rule.of(wanted)], [*map(Rule.of, held)])) == missing


def test_a_decision_among_a_thousand_bindings_takes_microseconds() -> None:
    memory = Memory(
        clusterroles=[role(f"r{i}", rule("core", "secrets", "get", f"n{i}")) for i in range(1000)],
        rolebindings=[binding(f"r{i}", f"User/u{i}", "Group/developers", namespace=f"team-{i}") for i in range(1000)],
    )
    roles = Roles(memory)
    assert roles.allows(EVE, asked("get", "secrets", namespace="team-7", name="n7"))
    question, began = asked("get", "secrets", namespace="team-7", name="n8"), time.process_time()
    for _ in range(1000):
        assert not roles.allows(EVE, question)
    assert (time.process_time() - began) / 1000 < 200e-6  # some 10 here; a walk over all takes milliseconds
