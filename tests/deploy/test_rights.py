"""The controllers do their work with the rights that the manifests give them, and need all of these.

They run against a server of ours, which plays the cluster, too; its audit log tells what they have asked for.
"""

import asyncio
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from certs.purposes import SERVER
from certs.requests import SERVING_SIGNER, make_request
from client import kinds
from client.api import Client
from client.kinds import (
    API_SERVICE,
    INSTANCETYPE_KINDS,
    KUBEVIRT,
    NODE,
    SECRET,
    VIRTUAL_MACHINE,
    VIRTUAL_MACHINE_INSTANCE,
)
from controllers.manager import Options, run
from kube.installation import NAMESPACE
from kube.instances import MACHINE_FINALIZER
from kube.nodes import LEASE_NAMESPACE
from kube.users import AGENT_ACCOUNT
from tests.conformance.api import SECONDS, Api, Kind, connected
from tests.deploy.accounts import account, asked, given, used
from tests.deploy.trust import SECRETS, trust_streams
from tests.kubernetes import catalogue, running_cluster

TAMPERED = "eA=="
CONTROLLERS = "virtplane-controllers"
UNUSED_HERE = {
    ("", "update", "kubevirt.io", "virtualmachines/finalizers"): "the cluster may check it for owners of revisions",
    ("", "get", "kubevirt.io", "virtualmachines"): "an instance has outlived its machine",
    ("", "get", "kubevirt.io", "virtualmachineinstances"): "an instance is there that was not known",
    ("", "get", "apps", "controllerrevisions"): "a revision is there that was not known",
    ("", "approve", "certificates.k8s.io", "signers"): "kube-apiserver asks for it when a request is approved",
    ("", "sign", "certificates.k8s.io", "signers"): "kube-apiserver asks for it when a request is signed",
    ("", "delete", "apps", "controllerrevisions"): "a machine begins anew with a newer revision",
    ("", "patch", "", "nodes"): "a node is lost",
    ("", "patch", "", "events"): "something happens again",
    (NAMESPACE, "delete", "", "secrets"): "somebody has made one immutable",
    (NAMESPACE, "delete", "", "configmaps"): "somebody has made one immutable",
}
"""Rights that this test does without, or may, and when they are needed."""


def kind(name: str, group: str, version: str, namespace: str = "default") -> Kind:
    return Kind(name, group, version, f"{name.lower()}s", namespace)


MACHINES = kind("VirtualMachine", "kubevirt.io", "v1")
INSTANCES = kind("VirtualMachineInstance", "kubevirt.io", "v1")
API_SERVICES = Kind("APIService", "apiregistration.k8s.io", "v1", "apiservices")
CSRS = Kind("CertificateSigningRequest", "certificates.k8s.io", "v1", "certificatesigningrequests")
REVISIONS = kind("ControllerRevision", "apps", "v1")


def machine(name: str, **spec: Any) -> dict[str, Any]:
    template = {"spec": {"domain": {"devices": {}}}}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"runStrategy": "Always", "template": template, **spec},
    }


async def furnish(client: Client) -> None:
    """Make what there is for controllers to do."""
    service = {"service": {"name": "virtplane-api", "namespace": NAMESPACE}}
    await client.create(API_SERVICE, {"metadata": {"name": "v1.kubevirt.io"}, "spec": service})
    status = {
        "allocatable": {"cpu": "8", "memory": "8Gi", "pods": "10"},
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    await client.create(NODE, {"metadata": {"name": "one", "labels": {"kubevirt.io/schedulable": "true"}}})
    await client.patch(NODE, "one", None, {"status": status}, subresource="status")
    await client.create(KUBEVIRT, {"metadata": {"name": "kubevirt", "namespace": NAMESPACE}, "spec": {}})
    size = next(each for each in INSTANCETYPE_KINDS if each.kind == "VirtualMachineClusterInstancetype")
    await client.create(
        size, {"metadata": {"name": "small"}, "spec": {"cpu": {"guest": 1}, "memory": {"guest": "64Mi"}}}
    )
    await client.create(VIRTUAL_MACHINE, machine("vm", instancetype={"name": "small"}))


async def certify(api: Api, client: Client) -> None:
    """Ask for a certificate as the agent of a pod does."""
    await trust_streams(api, client)
    request = make_request(SERVING_SIGNER, "one", ec.generate_private_key(ec.SECP256R1()))
    agent = {"Impersonate-User": AGENT_ACCOUNT, "Impersonate-Extra-authentication.kubernetes.io%2fnode-name": "one"}
    async with api.session.post(CSRS.path, json=request, headers=agent) as answer:
        assert answer.status == 201, await answer.text()
    await api.until(CSRS, lambda found: all("certificate" in each.get("status", {}) for each in found.values()))


async def work(client: Client, api: Api, agent: Client) -> None:
    """Have the controllers do all that they do while nothing goes wrong."""
    await furnish(client)
    await api.until(INSTANCES, lambda found: "vm" in found and found["vm"].get("status", {}).get("nodeName"))
    await api.until(REVISIONS, len)
    await certify(api, client)
    await api.until(API_SERVICES, lambda found: "caBundle" in found["v1.kubevirt.io"]["spec"])
    await client.patch(SECRET, SERVER.authority, NAMESPACE, {"data": {"tls.crt": TAMPERED}})
    await api.until(SECRETS, lambda found: found[SERVER.authority]["data"]["tls.crt"] != TAMPERED)
    await client.patch(VIRTUAL_MACHINE, "vm", "default", {"spec": {"runStrategy": "Halted"}})
    await api.until(INSTANCES, lambda found: "deletionTimestamp" in found["vm"]["metadata"])
    await agent.patch(
        VIRTUAL_MACHINE_INSTANCE, "vm", "default", {"status": {"phase": "Succeeded"}}, subresource="status"
    )
    left = {"metadata": {"finalizers": [MACHINE_FINALIZER]}}
    await agent.patch(VIRTUAL_MACHINE_INSTANCE, "vm", "default", left)
    await api.until(INSTANCES, lambda found: not found)
    policy = {"spec": {"configuration": {"instancetype": {"referencePolicy": "expandAll"}}}}
    await client.patch(KUBEVIRT, "kubevirt", NAMESPACE, policy)
    await api.until(MACHINES, lambda found: "instancetype" not in found["vm"]["spec"])


async def test_the_controllers_have_the_rights_that_they_use_and_no_others(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    async with (
        running_cluster(tmp_path, catalogue(tmp_path / "schemas"), audit_log=log) as server,
        Client.from_kubeconfig(server.kubeconfig("admin"), "tests") as client,
        Client.from_kubeconfig(server.kubeconfig("agent"), "tests") as agent,
        connected(server) as session,
    ):
        api, stop = Api(session), asyncio.Event()
        for name in (NAMESPACE, LEASE_NAMESPACE):
            await client.create(kinds.NAMESPACE, {"metadata": {"name": name}})
        kubeconfig = await account(server, client, api, CONTROLLERS)
        options = Options(kubeconfig=kubeconfig, leader_elect=True, namespace=NAMESPACE, core_controllers=False)
        working = asyncio.create_task(run(options, stop))
        await work(client, api, agent)
        stop.set()
        async with asyncio.timeout(SECONDS):
            await working
    assert [(path, use) for code, path, use in asked(log, CONTROLLERS) if code == 403] == []
    assert set(given(CONTROLLERS)) - used(log, CONTROLLERS) <= UNUSED_HERE.keys()
