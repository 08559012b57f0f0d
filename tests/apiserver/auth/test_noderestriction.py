"""What an agent may do, tried with every verb on every kind that is served, and on every subresource and action."""

from collections.abc import Iterator

import pytest

import openapi
from apiserver.auth.attributes import RequestInfo
from apiserver.auth.authorization import Authorizer
from apiserver.auth.identities import known
from apiserver.auth.nodebinding import is_bound
from apiserver.auth.roles import Roles
from apiserver.machinery.resource import VERBS
from apiserver.machinery.schema import Catalogue
from apiserver.registry.stored import StoredObjects
from apiserver.resources import actions, resources
from tests.apiserver.resources.surroundings import Remembered

CATALOGUE = Catalogue.load(openapi.DIRECTORY)
ALL_VERBS = (*VERBS, "impersonate", "escalate", "bind", "*")
NODE = known("system:node:one", {"system:nodes"})
STORED = Remembered(
    **{
        "virtualmachineinstances.kubevirt.io": [
            {
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"volumes": [{"name": "a", "secret": {"secretName": name}}]},
                "status": {"nodeName": node},
            }
            for name, node in (("one", "one"), ("two", "two"))
        ],
        "certificatesigningrequests.certificates.k8s.io": [
            {"metadata": {"name": name}, "spec": {"username": f"system:node:{name}"}} for name in ("one", "two")
        ],
    }
)
AUTHORIZER = Authorizer(
    lambda node, asked: is_bound(STORED, node, asked.resource, asked.namespace, asked.object_name),
    Roles(StoredObjects()),
)

Question = tuple[str, str, str]
"""Group, resource with its subresource, verb."""
OWN: set[Question] = {
    *(("", "nodes", verb) for verb in ("get", "list", "watch", "create", "update", "patch")),
    *(("", "nodes/status", verb) for verb in ("get", "update", "patch")),
    *(("", "events", verb) for verb in ("create", "update", "patch")),
    ("", "secrets", "get"),
    *(("coordination.k8s.io", "leases", verb) for verb in ("get", "create", "update", "patch")),
    *(("kubevirt.io", "virtualmachineinstances", verb) for verb in ("get", "update", "patch")),
    *(("kubevirt.io", "virtualmachineinstances/status", verb) for verb in ("get", "update", "patch")),
    *(("kubevirt.io", "kubevirts", verb) for verb in ("get", "list", "watch")),
    *(("certificates.k8s.io", "certificatesigningrequests", verb) for verb in ("create", "get")),
    ("authentication.k8s.io", "selfsubjectreviews", "create"),
    ("authorization.k8s.io", "selfsubjectaccessreviews", "create"),
    ("authorization.k8s.io", "selfsubjectrulesreviews", "create"),
}
"""What it may do with what is its own, or everybody's."""
WHATEVER_THE_NAME = {
    *(("", "events", verb) for verb in ("create", "update", "patch")),
    *(("", "nodes", verb) for verb in ("list", "watch", "create")),
    ("coordination.k8s.io", "leases", "create"),
    ("certificates.k8s.io", "certificatesigningrequests", "create"),
    *(("kubevirt.io", "kubevirts", verb) for verb in ("get", "list", "watch")),
    *(each for each in OWN if each[0].startswith("auth")),
}
"""What the name in the path says nothing about: a new object's is in its body, and its kind's strategy looks there."""


def served() -> Iterator[tuple[str, str]]:
    kinds = resources(CATALOGUE, Remembered())
    for kind in kinds:
        yield kind.group, kind.plural
        for subresource in {*kind.subresources, "status", "scale", "finalize", "token"}:
            yield kind.group, f"{kind.plural}/{subresource}"
    for action in actions(kinds, Remembered(), CATALOGUE, lambda *_: ("", 0)):
        yield action.group, action.whole_resource
    yield from (("", "users"), ("", "groups"), ("authentication.k8s.io", "uids"), ("*", "*"))


def allowed(group: str, resource: str, verb: str, name: str, namespace: str) -> bool:
    plural, _, subresource = resource.partition("/")
    return AUTHORIZER.allows(
        NODE,
        RequestInfo(
            verb=verb, path="", group=group, resource=plural, subresource=subresource, namespace=namespace, name=name
        ),
    )


@pytest.mark.parametrize("name", ["one", "two"])
def test_an_agent_does_what_is_written_here_with_its_own_and_nothing_else(name: str) -> None:
    questions = {(group, resource, verb) for group, resource in served() for verb in ALL_VERBS}
    assert questions >= OWN
    found = {
        (group, resource, verb)
        for group, resource, verb in questions
        if allowed(group, resource, verb, name, "kube-node-lease" if resource == "leases" else "default")
    }
    assert found == (OWN if name == "one" else WHATEVER_THE_NAME)


def test_an_agents_lease_is_where_leases_of_nodes_are() -> None:
    for verb in VERBS:
        assert not allowed("coordination.k8s.io", "leases", verb, "one", "default"), verb


@pytest.mark.parametrize("name", ["system:node:", "system:node:One", "system:nodes:one", "one", "kubernetes-admin"])
def test_the_group_alone_makes_nobody_an_agent_of_the_node(name: str) -> None:
    caller = known(name, {"system:nodes"})
    for resource in ("nodes", "virtualmachineinstances", "secrets"):
        group = "kubevirt.io" if resource.startswith("virtual") else ""
        asked = RequestInfo(verb="get", path="", group=group, resource=resource, namespace="default", name="one")
        assert not AUTHORIZER.allows(caller, asked), resource


def test_the_name_alone_makes_nobody_an_agent() -> None:
    asked = RequestInfo(verb="get", path="", resource="nodes", name="one")
    assert AUTHORIZER.allows(NODE, asked)
    assert not AUTHORIZER.allows(known("system:node:one", {"system:node", "system:nodes:one"}), asked)


@pytest.mark.parametrize("verb", ["get", "list", "watch"])
def test_it_reads_whom_to_trust_and_no_other_config_map(verb: str) -> None:
    bundles = ("kubevirt-ca", "kubevirt-virt-handler-ca", "kubevirt-virt-handler-server-ca")
    assert all(allowed("", "configmaps", verb, name, "virtplane") for name in bundles)
    for name in ("", "virtplane-certificate-consumers", "virtplane-revoked-nodes", "kubevirt-controller-ca"):
        assert not allowed("", "configmaps", verb, name, "virtplane"), name
