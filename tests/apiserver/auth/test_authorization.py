"""Administrators may everything; controllers and agents only their part; nobody else anything."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from apiserver.auth.attributes import RequestInfo
from apiserver.auth.authorization import Authorizer
from apiserver.auth.certificates import from_subject
from apiserver.auth.identities import ANONYMOUS
from apiserver.auth.roles import Roles
from apiserver.http.requestinfo import parse
from apiserver.machinery.resource import Caller
from apiserver.registry.stored import StoredObjects
from certs.authority import issue_client, make_authority
from kube.instances import secret_names

AUTHENTICATED = "system:authenticated"
ADMIN = Caller("admin", frozenset({"system:masters", AUTHENTICATED}))
CONTROLLERS = Caller("system:virtplane-controllers", frozenset({"system:virtplane:controllers", AUTHENTICATED}))
NODE = Caller("system:node:one", frozenset({"system:nodes", AUTHENTICATED}))
STRANGER = Caller("eve", frozenset({AUTHENTICATED}))

VMIS = "/apis/kubevirt.io/v1/namespaces/default/virtualmachineinstances"
ACTIONS = "/apis/subresources.kubevirt.io/v1/namespaces/default/virtualmachines"


def bound_to_one(node: str, asked: RequestInfo) -> bool:
    return node == "one" and asked.name == "mine"


AUTHORIZER = Authorizer(bound_to_one, Roles(StoredObjects()))

TABLE = [
    (ADMIN, "DELETE", "/api/v1/nodes/one", True),
    (STRANGER, "GET", "/api/v1/configmaps", False),
    (STRANGER, "GET", "/apis", True),
    (ANONYMOUS, "GET", "/apis", False),
    (ANONYMOUS, "GET", "/healthz", True),
    (ANONYMOUS, "GET", "/version", True),
    (ANONYMOUS, "GET", "/api/v1/namespaces", False),
    (CONTROLLERS, "POST", VMIS, True),
    (CONTROLLERS, "GET", "/api/v1/namespaces/default/secrets/any", True),
    (CONTROLLERS, "POST", "/api/v1/namespaces/default/secrets", False),
    (CONTROLLERS, "POST", "/api/v1/namespaces/virtplane/secrets", True),
    (CONTROLLERS, "PUT", "/api/v1/namespaces/virtplane/secrets/kubevirt-ca", True),
    (CONTROLLERS, "POST", "/api/v1/namespaces/default/serviceaccounts", True),
    (CONTROLLERS, "PUT", "/api/v1/namespaces/default/configmaps/kube-root-ca.crt", True),
    (CONTROLLERS, "PUT", "/api/v1/namespaces/default/serviceaccounts/default", False),
    (CONTROLLERS, "PUT", "/api/v1/namespaces/any/finalize", True),
    (CONTROLLERS, "PATCH", "/apis/any.group/v1/namespaces/default/kinds/any", True),
    (CONTROLLERS, "DELETE", "/apis/any.group/v1/kinds/any", True),
    (CONTROLLERS, "PUT", "/apis/any.group/v1/kinds/any", False),
    (NODE, "PATCH", f"{VMIS}/mine/status", True),
    (NODE, "PATCH", f"{VMIS}/others/status", False),
    (NODE, "DELETE", f"{VMIS}/mine", False),
    (NODE, "POST", VMIS, False),
    (NODE, "GET", "/api/v1/namespaces/default/secrets/mine", True),
    (NODE, "GET", "/api/v1/namespaces/default/secrets/others", False),
    (NODE, "GET", "/api/v1/namespaces/default/secrets", False),
    (NODE, "PUT", "/api/v1/nodes/one", True),
    (NODE, "PUT", "/api/v1/nodes/two", False),
    (NODE, "PATCH", "/api/v1/nodes/two/status", False),
    (NODE, "PUT", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/two", False),
    (NODE, "PATCH", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/one", True),
    (NODE, "POST", "/apis/coordination.k8s.io/v1/namespaces/default/leases", False),
    (NODE, "GET", "/api/v1/nodes", True),
    (NODE, "GET", "/apis/kubevirt.io/v1/namespaces/default/virtualmachines", False),
    (NODE, "POST", "/api/v1/namespaces/default/events", True),
    (NODE, "GET", "/api/v1/namespaces/default/events", False),
    (NODE, "DELETE", "/api/v1/namespaces/default/events/x", False),
    (NODE, "GET", "/apis/kubevirt.io/v1/kubevirts", True),
    (NODE, "PATCH", "/apis/kubevirt.io/v1/namespaces/virtplane/kubevirts/kubevirt", False),
    (NODE, "PATCH", "/apis/kubevirt.io/v1/namespaces/virtplane/kubevirts/kubevirt/status", False),
    (CONTROLLERS, "PATCH", "/apis/kubevirt.io/v1/namespaces/virtplane/kubevirts/kubevirt", True),
    (CONTROLLERS, "PATCH", "/apis/kubevirt.io/v1/namespaces/virtplane/kubevirts/kubevirt/status", True),
    (CONTROLLERS, "GET", f"{ACTIONS}/any/expand-spec", True),
    (NODE, "GET", f"{ACTIONS}/any/expand-spec", False),
    (CONTROLLERS, "PATCH", f"{VMIS}/any/status", True),
    (CONTROLLERS, "PATCH", VMIS.replace("instances", "s") + "/any/status", True),
]


MINE = {"fieldSelector": "status.nodeName=one"}
SELECTIONS = [
    (VMIS, {}, False),
    (VMIS, MINE, True),
    (VMIS, MINE | {"watch": "1"}, True),
    (VMIS, {"watch": "true"}, False),
    ("/apis/kubevirt.io/v1/virtualmachineinstances", MINE | {"watch": "1"}, True),
    ("/apis/kubevirt.io/v1/virtualmachineinstances", {"fieldSelector": "status.nodeName=two"}, False),
    (VMIS, {"fieldSelector": "status.nodeName!=one"}, False),
    (VMIS, {"fieldSelector": "status.nodeName=one,status.phase!=Failed"}, True),
    (VMIS, {"fieldSelector": "status.nodeName=two,status.nodeName=one"}, False),
    (VMIS, {"fieldSelector": "metadata.name=mine"}, False),
    (VMIS, {"fieldSelector": "a=b=c"}, False),
    (f"{VMIS}/others", {"watch": "1"}, False),
    (f"{VMIS}/mine", MINE, True),
    (f"{VMIS}/others", MINE, False),
]


@pytest.mark.parametrize(("path", "query", "allowed"), SELECTIONS)
def test_an_agent_lists_and_watches_the_instances_of_its_node_only(
    path: str, query: dict[str, str], allowed: bool
) -> None:
    assert AUTHORIZER.allows(NODE, parse("GET", path, query)) is allowed
    assert AUTHORIZER.allows(CONTROLLERS, parse("GET", path, query))


@pytest.mark.parametrize(("caller", "method", "path", "allowed"), TABLE)
def test_each_caller_may_do_its_part_only(caller: Caller, method: str, path: str, allowed: bool) -> None:
    assert AUTHORIZER.allows(caller, parse(method, path, {})) is allowed


def test_a_certificate_names_user_and_groups() -> None:
    certificate = issue_client(make_authority("ca"), "system:node:one", ["system:nodes"]).certificate
    caller = from_subject(certificate)
    assert caller is not None
    assert caller.name == "system:node:one"
    assert caller.groups == {"system:nodes", AUTHENTICATED}
    assert caller.system


def test_a_certificate_without_a_name_is_nobodys() -> None:
    authority = make_authority("ca")
    unnamed = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:masters")])
    builder = x509.CertificateBuilder().subject_name(unnamed).issuer_name(authority.certificate.subject)
    now = datetime.now(UTC)
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(hours=1))
    certificate = builder.public_key(authority.key.public_key()).sign(authority.key, hashes.SHA256())
    assert from_subject(certificate) is None


def test_the_secrets_of_an_instance_are_those_its_spec_mentions() -> None:
    instance = {
        "spec": {
            "volumes": [
                {
                    "name": "a",
                    "cloudInitNoCloud": {"secretRef": {"name": "user"}, "networkDataSecretRef": {"name": "net"}},
                },
                {"name": "b", "containerDisk": {"image": "x", "imagePullSecret": "pull"}},
                {"name": "c", "secret": {"secretName": "files"}},
            ]
        }
    }
    assert secret_names(instance) == {"user", "net", "pull", "files"}
