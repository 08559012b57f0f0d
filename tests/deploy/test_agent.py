"""An agent as a pod runs it: on a Node that is a kubelet's, with a certificate of its own, within its rights.

The server plays the cluster and lets the agent do whatever it asks, which its audit log tells; the kubelet's part is
the test's. libvirt and the guest are real.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from certs.bootstrap import Pki
from certs.purposes import AGENT_SERVER, STREAMS
from client.api import Client
from client.kinds import CERTIFICATE_SIGNING_REQUEST, LEASE, NODE, VIRTUAL_MACHINE_INSTANCE
from kube.installation import NAMESPACE
from kube.nodes import agent_address
from kube.users import CONTROLLERS_GROUP, MASTERS_GROUP
from nodeagent.agent import Options, run
from nodeagent.streams import server as streams
from tests.conformance.api import SECONDS, Api, Kind, connected
from tests.conformance.users import enrol
from tests.deploy.accounts import asked, given, used
from tests.deploy.trust import trust_streams
from tests.server import NODE as NODE_NAME
from tests.server import Server, running_server
from tests.working import working, working_controllers

if TYPE_CHECKING:
    from tests.libvirt_host import LibvirtHost

AGENT = "virtplane-agent"
CSRS = Kind("CertificateSigningRequest", "certificates.k8s.io", "v1", "certificatesigningrequests")
INSTANCES = Kind("VirtualMachineInstance", "kubevirt.io", "v1", "virtualmachineinstances", "default")
KUBELETS_STATUS: dict[str, Any] = {
    "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
    "allocatable": {"cpu": "8", "memory": "8Gi", "pods": "110"},
    "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
    "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
}


def options(server: Server, directory: Path, libvirt_uri: str) -> Options:
    pki = Pki(directory / "pki")
    return Options(
        kubeconfig=server.kubeconfig(enrol(server, "pod", MASTERS_GROUP, CONTROLLERS_GROUP)),
        node_name=NODE_NAME,
        pki=pki.directory,
        kubelet=True,
        libvirt_uri=libvirt_uri,
        directory=directory / "agent",
        images=directory / "images",
        emulation="on",
        host_disk_directories=(),
        image_directories=(),
        insecure_registries=(),
        network="user",
        address="127.0.0.1",
        streams=streams.Options(port=0, certificate=pki.pair(AGENT_SERVER.file), client_ca=pki.bundle(STREAMS)),
    )


async def approve(api: Api, client: Client) -> None:
    """Let the agent have its certificate, as the controllers do when its token names the node."""
    found = await api.until(CSRS, len)
    approved = {"type": "Approved", "status": "True", "reason": "Test", "message": ""}
    for name in found:
        patch = {"status": {"conditions": [approved]}}
        await client.patch(CERTIFICATE_SIGNING_REQUEST, name, None, patch, subresource="approval")


async def run_a_guest(client: Client, controllers: Client, api: Api) -> None:
    spec = {"domain": {"memory": {"guest": "32Mi"}, "devices": {"autoattachPodInterface": False}}}
    made = {"metadata": {"name": "guest", "namespace": "default"}, "spec": {**spec, "terminationGracePeriodSeconds": 0}}
    await client.create(VIRTUAL_MACHINE_INSTANCE, made)
    bound = {"status": {"nodeName": NODE_NAME, "phase": "Scheduled"}}
    await controllers.patch(VIRTUAL_MACHINE_INSTANCE, "guest", "default", bound, subresource="status")
    await api.until(INSTANCES, lambda found: found["guest"]["status"].get("phase") == "Running")
    await client.delete(VIRTUAL_MACHINE_INSTANCE, "guest", "default")
    await api.until(INSTANCES, lambda found: not found)


async def test_an_agent_in_a_pod_takes_what_the_manifests_give_it_and_leaves_the_node_to_its_kubelet(
    private_libvirt: "LibvirtHost", tmp_path: Path
) -> None:
    log = tmp_path / "audit.log"
    with tempfile.TemporaryDirectory(prefix="virtplane-agent-", ignore_cleanup_errors=True) as own:
        async with (
            running_server(tmp_path, audit_log=log) as server,
            Client.from_kubeconfig(server.kubeconfig("admin"), "tests") as client,
            Client.from_kubeconfig(server.kubeconfig("controllers"), "tests") as controllers,
            connected(server) as session,
            working_controllers(server.kubeconfig("controllers")),
        ):
            api = Api(session)
            await client.create(NODE, {"metadata": {"name": NODE_NAME}})
            await client.patch(NODE, NODE_NAME, None, {"status": KUBELETS_STATUS}, subresource="status")
            how = options(server, Path(own), private_libvirt.uri)
            await trust_streams(api, client)
            async with working(run, how) as ready:
                await approve(api, client)
                async with asyncio.timeout(SECONDS):
                    await ready.wait()
                await run_a_guest(client, controllers, api)
            node = await client.get(NODE, NODE_NAME)
            assert (await client.get(LEASE, NODE_NAME, NAMESPACE))["spec"]["holderIdentity"] == NODE_NAME
    assert {key: node["status"][key] for key in KUBELETS_STATUS} == KUBELETS_STATUS
    assert node["metadata"]["labels"]["kubevirt.io/schedulable"] == "true"
    assert agent_address(node) not in (None, ("127.0.0.1", 10250))
    rights = set(given(AGENT))
    assert [use for _, _, use in asked(log, AGENT) if not {use, ("", *use[1:])} & rights] == []
    assert rights - used(log, AGENT) <= {("", "patch", "", "events")}, "an event is patched when it happens again"
