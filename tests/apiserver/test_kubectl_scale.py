"""Scaling what has replicas, with the kubectl that is installed and with Debian's."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

Kubectl = Callable[..., Awaitable[str]]
GUEST = {"domain": {"memory": {"guest": "64Mi"}, "devices": {}}}
LABELS = {"pool": "x"}
POOL: dict[str, Any] = {
    "apiVersion": "pool.kubevirt.io/v1beta1",
    "kind": "VirtualMachinePool",
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": LABELS},
        "virtualMachineTemplate": {
            "metadata": {"labels": LABELS},
            "spec": {"runStrategy": "Always", "template": {"metadata": {"labels": LABELS}, "spec": GUEST}},
        },
    },
}

REPLICA_SET: dict[str, Any] = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachineInstanceReplicaSet",
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": LABELS},
        "template": {"metadata": {"labels": LABELS}, "spec": GUEST},
    },
}


@pytest.fixture(params=["kubectl", "debians_kubectl"])
def kubectl(request: pytest.FixtureRequest, kubectl_as: Callable[..., Kubectl]) -> Kubectl:
    program = "kubectl" if request.param == "kubectl" else request.getfixturevalue("debians_program")
    return kubectl_as("admin", program)


@pytest.fixture(params=[POOL, REPLICA_SET], ids=lambda manifest: manifest["kind"])
async def name(request: pytest.FixtureRequest, kubectl: Kubectl) -> str:
    """Something with two replicas, by resource and name."""
    manifest = request.param | {"metadata": {"name": "it"}}
    await kubectl("create", "-f", "-", given=json.dumps(manifest))
    return f"{manifest['kind'].lower()}/it"


async def replicas(kubectl: Kubectl, name: str) -> int:
    return int(await kubectl("get", name, "-o", "jsonpath={.spec.replicas}"))


async def test_kubectl_scales(kubectl: Kubectl, name: str) -> None:
    assert "scaled" in await kubectl("scale", name, "--replicas=5")
    assert await replicas(kubectl, name) == 5


async def test_kubectl_scales_only_from_what_it_expects(kubectl: Kubectl, name: str) -> None:
    refused = await kubectl("scale", name, "--replicas=5", "--current-replicas=3", fails=True)
    assert "replicas" in refused
    assert await replicas(kubectl, name) == 2
    await kubectl("scale", name, "--replicas=0", "--current-replicas=2")
    assert await replicas(kubectl, name) == 0


async def test_kubectl_only_tries_to_scale(kubectl: Kubectl, name: str) -> None:
    await kubectl("scale", name, "--replicas=5", "--dry-run=server")
    assert await replicas(kubectl, name) == 2


async def test_kubectl_shows_and_patches_a_scale(kubectl_as: Callable[..., Kubectl]) -> None:
    kubectl = kubectl_as("admin")
    await kubectl("create", "-f", "-", given=json.dumps(POOL | {"metadata": {"name": "it"}}))
    path = "/apis/pool.kubevirt.io/v1beta1/namespaces/default/virtualmachinepools/it/scale"
    if "--subresource" in await kubectl("get", "--help"):
        scale = "--subresource=scale"
        assert "DESIRED" in await kubectl("get", "vmpool", "it", scale)
        await kubectl("patch", "vmpool", "it", scale, "--type=merge", "-p", '{"spec":{"replicas":4}}')
    else:  # Debian's does not know it
        wanted = json.loads(await kubectl("get", "--raw", path)) | {"spec": {"replicas": 4}}
        await kubectl("replace", "--raw", path, "-f", "-", given=json.dumps(wanted))
    assert json.loads(await kubectl("get", "--raw", path))["spec"] == {"replicas": 4}
