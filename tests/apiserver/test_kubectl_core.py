"""The kinds of a cluster beside machines, with the kubectl that is installed and with Debian's.

The newer one sends what it creates in protobuf.
"""

import json
from collections.abc import Awaitable, Callable

import pytest

Kubectl = Callable[..., Awaitable[str]]
NODE = '{"apiVersion":"v1","kind":"Node","metadata":{"name":"one"}}'
CREATED: list[tuple[str, str, dict[str, object]]] = [
    ("serviceaccount x", "sa", {}),
    (
        "role x --verb=get --resource=configmaps --resource-name=c",
        "role",
        {"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["c"]}]},
    ),
    (
        "clusterrole x --verb=get --non-resource-url=/healthz",
        "clusterrole",
        {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz"]}]},
    ),
    (
        "clusterrole x --aggregation-rule=a=b",
        "clusterrole",
        {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}},
    ),
    (
        "rolebinding x --role=r --serviceaccount=default:s",
        "rolebinding",
        {
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
            "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": "s"}],
        },
    ),
    (
        "clusterrolebinding x --clusterrole=r --user=jane",
        "clusterrolebinding",
        {
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}],
        },
    ),
    ("quota x --hard=pods=2,cpu=500m", "quota", {"spec": {"hard": {"pods": "2", "cpu": "500m"}}}),
    (
        "priorityclass x --value=-7 --description=d --preemption-policy=Never",
        "pc",
        {"value": -7, "description": "d", "preemptionPolicy": "Never"},
    ),
]


@pytest.fixture(params=["kubectl", "debians_kubectl"])
def kubectl(request: pytest.FixtureRequest, kubectl_as: Callable[..., Kubectl]) -> Kubectl:
    program = "kubectl" if request.param == "kubectl" else request.getfixturevalue("debians_program")
    return kubectl_as("admin", program)


@pytest.mark.parametrize(("command", "kind", "content"), CREATED, ids=[each[0] for each in CREATED])
async def test_kubectl_creates_what_it_has_a_command_for(
    kubectl: Kubectl, command: str, kind: str, content: dict[str, object]
) -> None:
    assert "/x created" in await kubectl("create", *command.split())
    stored = json.loads(await kubectl("get", kind, "x", "-o", "json"))
    assert {field: stored.get(field) for field in content} == content
    assert "x" in await kubectl("get", kind, "-o", "wide")
    assert "Name:" in await kubectl("describe", kind, "x")


async def test_what_looks_for_pods_finds_none(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", given=NODE)
    assert "Non-terminated Pods:" in await kubectl("describe", "node", "one")
    assert "No resources found" in await kubectl("get", "pods")
    assert "No resources found" in await kubectl("get", "all", "-A")
    assert "forbidden: this server runs virtual machines" in await kubectl("run", "x", "--image=y", fails=True)
    assert "drained" in await kubectl("drain", "one")


async def test_kubectl_explains_the_kinds(kubectl: Kubectl) -> None:
    assert "Amounts by the name" in await kubectl("explain", "quota.spec.hard")
    assert "RESOURCE" in (await kubectl("explain", "pv", "--recursive")).upper()


async def test_kubectl_asks_what_its_user_may_do(kubectl: Kubectl) -> None:
    assert (await kubectl("auth", "can-i", "delete", "virtualmachines.kubevirt.io/any")).strip() == "yes"
    assert "*.*" in await kubectl("auth", "can-i", "--list")
