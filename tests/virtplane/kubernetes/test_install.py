"""Installing into a cluster and removing it again, in the stand-in of ``tests/kubernetes.py``; kubectl is real.

What a cluster does with what it was told, from pulling images to asking an APIService, is not tested by this.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import deploy
from apiserver.machinery.schema import Catalogue
from certs.requests import SERVING_SIGNER, make_request
from client.api import Client
from client.discovery import discover
from client.errors import ApiError
from client.kinds import (
    API_SERVICE,
    CERTIFICATE_SIGNING_REQUEST,
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    EVENT,
    KUBEVIRT,
    NAMESPACE,
    NODE,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SECRET,
    VIRTUAL_MACHINE,
)
from tests.apiserver.conftest import Kubectl, kubectl_with
from tests.kubectl import RECENT
from tests.kubernetes import Machinery, catalogue, running_cluster
from tests.server import Server
from tests.working import working_controllers
from virtplane.cli import main
from virtplane.kubernetes.install import OURS, Wanted, install, report
from virtplane.kubernetes.manifests import installation
from virtplane.kubernetes.preconditions import InstallError
from virtplane.kubernetes.uninstall import uninstall

__all__ = ["kubectl_with"]

SECONDS = 20
FURNITURE = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}
"""What controllers put into every namespace."""
URL = "postgresql://virtplane:hunter2@db/virtplane"


def ignore(_line: str) -> None:
    """Nobody listens."""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("virtplane.kubernetes.install.POLL_SECONDS", 0.02)


@pytest.fixture(scope="session")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return catalogue(tmp_path_factory.mktemp("schemas"))


@pytest.fixture
async def cluster(tmp_path: Path, schemas: Catalogue) -> AsyncIterator[Server]:
    async with running_cluster(tmp_path, schemas) as running:
        yield running


@pytest.fixture
async def client(cluster: Server) -> AsyncIterator[Client]:
    async with Client.from_kubeconfig(cluster.kubeconfig("admin"), "virtplane") as opened:
        yield opened


@pytest.fixture
async def machinery(client: Client) -> AsyncIterator[Machinery]:
    made = Machinery(client)
    working = asyncio.create_task(made.run())
    yield made
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def everything(client: Client) -> set[tuple[str, str, str]]:
    """Return kind, namespace and name of all there is, but for Events, which go by themselves, and FURNITURE."""
    kinds = [each.kind for each in await discover(client) if "list" in each.verbs and each.kind.kind != EVENT.kind]
    lists = await asyncio.gather(*(client.list(kind, metadata_only=True) for kind in kinds))
    return {
        (kind.kind, each["metadata"].get("namespace", ""), each["metadata"]["name"])
        for kind, found in zip(kinds, lists, strict=True)
        for each in found["items"]
        if (kind.kind, each["metadata"]["name"]) not in FURNITURE
    }


def api_service(name: str, **spec: Any) -> dict[str, Any]:
    version, _, group = name.partition(".")
    return {"metadata": {"name": name}, "spec": {"group": group, "version": version, **spec}}


def machine(name: str) -> dict[str, Any]:
    spec = {"runStrategy": "Halted", "template": {"spec": {"domain": {"devices": {}}}}}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


async def test_all_is_made_in_order_and_waited_for(client: Client, machinery: Machinery) -> None:
    told: list[str] = []
    await install(client, Wanted(), told.append)
    applied = [line.removesuffix(": applied") for line in told if line.endswith(": applied")]
    wanted = [f"{each['kind']} {each['metadata']['name']}" for each in installation("sqlite")]
    assert applied == wanted
    assert told.index("all Deployments and DaemonSets are ready") < told.index("APIService v1.kubevirt.io: applied")
    told.clear()
    assert await report(client, told.append)
    assert all(line.endswith(": ready") for line in told)
    assert "DaemonSet virtplane-agent: ready" in told


async def test_a_second_time_changes_nothing_but_what_is_asked_for(client: Client, machinery: Machinery) -> None:
    async def revisions() -> dict[str, str]:
        listed = [await client.list(kind, label_selector=OURS) for kind in (DEPLOYMENT, API_SERVICE, SECRET)]
        found = [each["metadata"] for page in listed for each in page["items"]]
        return {each["uid"]: each["resourceVersion"] for each in found}

    await install(client, Wanted(database_url=URL), ignore)
    before = await revisions()
    await install(client, Wanted(), ignore)
    assert await revisions() == before
    with pytest.raises(InstallError, match="overlay postgresql: another would begin with an empty database"):
        await install(client, Wanted(overlay="sqlite"), ignore)
    await client.patch(API_SERVICE, "v1.kubevirt.io", None, {"spec": {"caBundle": "eA=="}})
    await install(client, Wanted(image="virtplane:2", data_volumes=False), ignore)
    server = await client.get(DEPLOYMENT, "virtplane-api", "virtplane")
    services = {each["metadata"]["name"]: each for each in (await client.list(API_SERVICE))["items"]}
    assert server["spec"]["replicas"] == 3
    assert [each["image"] for each in server["spec"]["template"]["spec"]["containers"]] == ["virtplane:2"]
    assert services["v1.kubevirt.io"]["spec"]["caBundle"] == "eA=="
    assert "v1beta1.cdi.kubevirt.io" not in services


async def test_what_does_not_become_ready_is_told_with_the_words_of_its_pods(
    client: Client, machinery: Machinery
) -> None:
    machinery.wrong["virtplane-api"] = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1}
    labels = {"app.kubernetes.io/name": "virtplane-api", "app.kubernetes.io/part-of": "virtplane"}
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    pod = {
        "metadata": {"name": "pod", "namespace": "virtplane", "labels": labels},
        "spec": {"containers": [{"name": "server", "image": "virtplane"}]},
    }
    await client.create(NAMESPACE, {"metadata": {"name": "virtplane"}})
    await client.create(POD, pod)
    status = {"containerStatuses": [{"name": "server", "state": {"waiting": waiting}}]}
    await client.patch(POD, "pod", "virtplane", {"status": status}, subresource="status")
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        if "ImagePullBackOff" in line:
            machinery.repair()

    await install(client, Wanted(), tell)
    assert "Deployment virtplane-api: 0 of 1 are available; pod: ImagePullBackOff: no such image" in told
    away = {"type": "Available", "status": "False", "reason": "FailedDiscoveryCheck", "message": "no route"}
    machinery.wrong["v1.kubevirt.io"] = {"conditions": [away]}
    await client.patch(
        API_SERVICE, "v1.kubevirt.io", None, {"status": machinery.wrong["v1.kubevirt.io"]}, subresource="status"
    )
    with pytest.raises(
        InstallError, match=r"(?s)not ready within 0.2 seconds.*v1.kubevirt.io: FailedDiscoveryCheck: no r"
    ):
        await install(client, Wanted(seconds=0.2), ignore)
    assert await report(client, ignore) is False


TAKEN = [
    (api_service("v1.kubevirt.io"), {}, "cannot be beside it: remove KubeVirt first"),
    (api_service("v1.kubevirt.io", service={"name": "virtplane-api"}), {}, "somebody else serves this"),
    (api_service("v1beta1.cdi.kubevirt.io"), {}, "--data-volumes off"),
]


@pytest.mark.parametrize(("taken", "how", "why"), TAKEN)
async def test_groups_that_somebody_else_serves_are_left_to_them(
    client: Client, taken: dict[str, Any], how: dict[str, Any], why: str
) -> None:
    await client.create(API_SERVICE, taken)
    before = await everything(client)
    with pytest.raises(InstallError, match=why):
        await install(client, Wanted(**how), ignore)
    assert await everything(client) == before


async def test_beside_cdi_it_is_installed_without_its_group(client: Client, machinery: Machinery) -> None:
    await client.create(API_SERVICE, api_service("v1beta1.cdi.kubevirt.io"))
    await install(client, Wanted(data_volumes=False), ignore)
    assert "service" not in (await client.get(API_SERVICE, "v1beta1.cdi.kubevirt.io"))["spec"]


async def test_rights_that_lack_are_named_before_anything_is_done(cluster: Server) -> None:
    async with Client.from_kubeconfig(cluster.kubeconfig("agent"), "virtplane") as agent:
        with pytest.raises(
            InstallError, match=r"may not .*create deployments.apps in namespace virtplane.*patch apiservices"
        ):
            await install(agent, Wanted(overlay="sqlite"), ignore)
        with pytest.raises(InstallError, match=r"may not .*delete apiservices"):
            await uninstall(agent, remove_machines=False, seconds=SECONDS, tell=ignore)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Wanted(overlay="postgresql"), "give --database-url, or make the Secret virtplane/virtplane-database"),
        (Wanted(overlay="sqlite", database_url=URL), "has no use for"),
        (Wanted(database_url="sqlite:////tmp/x"), "must begin with postgresql"),
    ],
)
async def test_a_database_that_cannot_be_is_refused(client: Client, wanted: Wanted, why: str) -> None:
    with pytest.raises(InstallError, match=why) as refused:
        await install(client, wanted, ignore)
    assert "hunter2" not in str(refused.value)


async def test_nothing_is_left_after_it_was_removed(cluster: Server, client: Client, machinery: Machinery) -> None:
    await client.create(NODE, {"metadata": {"name": "one", "labels": {"kubernetes.io/os": "linux"}}})
    before = await everything(client)
    await install(client, Wanted(), ignore)
    await client.create(SECRET, {"metadata": {"name": "kubevirt-ca", "namespace": "virtplane"}})
    await client.create(CONFIG_MAP, {"metadata": {"name": "kubevirt-ca", "namespace": "virtplane"}})
    await client.patch(
        NODE,
        "one",
        None,
        {"metadata": {"labels": {"kubevirt.io/schedulable": "true"}, "annotations": {"virtplane.io/trust": "{}"}}},
    )
    request = make_request(SERVING_SIGNER, "one", ec.generate_private_key(ec.SECP256R1()))
    await client.create(CERTIFICATE_SIGNING_REQUEST, request)
    machine_made = await client.create(VIRTUAL_MACHINE, machine("vm"))
    owner = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "name": "vm",
        "uid": machine_made["metadata"]["uid"],
    }
    await client.create(
        CONTROLLER_REVISION,
        {"metadata": {"name": "vm-1", "namespace": "default", "ownerReferences": [owner]}, "revision": 1, "data": {}},
    )
    with pytest.raises(InstallError, match=r"there are machines, which would be lost: default/vm\. Delete them"):
        await uninstall(client, remove_machines=False, seconds=SECONDS, tell=ignore)
    assert await report(client, ignore)
    async with working_controllers(cluster.kubeconfig("controllers")):
        await uninstall(client, remove_machines=True, seconds=SECONDS, tell=ignore)
    assert await everything(client) == before
    node = await client.get(NODE, "one")
    assert node["metadata"]["labels"] == {"kubernetes.io/os": "linux"}
    assert not node["metadata"].get("annotations")
    assert await report(client, ignore) is None


async def test_a_kubevirt_object_that_keeps_the_machines_keeps_the_installation(
    client: Client, machinery: Machinery
) -> None:
    await install(client, Wanted(), ignore)
    spec = {"uninstallStrategy": "BlockUninstallIfWorkloadsExist"}
    await client.create(KUBEVIRT, {"metadata": {"name": "kubevirt", "namespace": "virtplane"}, "spec": spec})
    await client.patch(KUBEVIRT, "kubevirt", "virtplane", {"status": {"phase": "Deployed"}}, subresource="status")
    await client.create(VIRTUAL_MACHINE, machine("vm"))
    before = await everything(client)
    with pytest.raises(ApiError, match="uninstallStrategy blocks it"):
        await uninstall(client, remove_machines=True, seconds=SECONDS, tell=ignore)
    assert await everything(client) == before


async def test_machines_that_nobody_can_list_are_not_given_up_unasked(tmp_path: Path, schemas: Catalogue) -> None:
    async with (
        running_cluster(tmp_path, schemas, machines=False) as dead,
        Client.from_kubeconfig(dead.kubeconfig("admin"), "virtplane") as client,
    ):
        ours = next(each for each in installation("sqlite") if each["kind"] == "APIService")
        await client.apply(API_SERVICE, ours)
        with pytest.raises(InstallError, match="nobody can say whether there are machines"):
            await uninstall(client, remove_machines=False, seconds=SECONDS, tell=ignore)
        await uninstall(client, remove_machines=True, seconds=SECONDS, tell=ignore)
        assert not (await client.list(API_SERVICE))["items"]


async def test_machines_of_kubevirt_itself_are_not_touched(client: Client) -> None:
    await client.create(API_SERVICE, api_service("v1.kubevirt.io"))
    await client.create(VIRTUAL_MACHINE, machine("vm"))
    before = await everything(client)
    await uninstall(client, remove_machines=True, seconds=SECONDS, tell=ignore)
    assert await everything(client) == before


async def test_what_kubectl_has_installed_is_taken_over_but_for_the_size_of_the_volume(
    cluster: Server, client: Client, machinery: Machinery, kubectl_with: Callable[..., Kubectl]
) -> None:
    kubectl = kubectl_with(cluster.kubeconfig("admin"), RECENT)
    applied = (await kubectl("apply", "-k", str(deploy.DIRECTORY / "overlays" / "sqlite"))).splitlines()
    assert len(applied) == len(installation("sqlite"))
    before = await everything(client)
    claim, size = "virtplane-database", {"spec": {"resources": {"requests": {"storage": "20Gi"}}}}
    await client.patch(
        PERSISTENT_VOLUME_CLAIM, claim, "virtplane", {"status": {"phase": "Bound"}}, subresource="status"
    )
    await client.patch(PERSISTENT_VOLUME_CLAIM, claim, "virtplane", size)
    await install(client, Wanted(), ignore)
    assert await everything(client) == before
    found = await client.get(PERSISTENT_VOLUME_CLAIM, claim, "virtplane")
    assert found["spec"]["resources"]["requests"]["storage"] == "20Gi"


async def test_the_commands_say_what_they_do_and_end_with_a_code(
    cluster: Server, machinery: Machinery, capsys: pytest.CaptureFixture[str]
) -> None:
    async def call(*arguments: str) -> tuple[int, list[str]]:
        code = await asyncio.to_thread(main, [*arguments, "--kubeconfig", str(cluster.kubeconfig("admin"))])
        lines = "".join(capsys.readouterr()).splitlines()
        return code, [line for line in lines if not line.startswith("[")]  # what the server logs here, too

    assert await call("install", "--status") == (3, ["Virtplane is not installed in this cluster"])
    code, said = await call("install", "--image", "virtplane:1")
    assert (code, said[0]) == (0, "Namespace virtplane: applied")
    assert (await call("install", "--status"))[0] == 0
    assert await call("install", "--timeout", "soon") == (
        1,
        ["virtplane: --timeout must be a duration, such as 24h or 1h30m"],
    )
    async with working_controllers(cluster.kubeconfig("controllers")):
        code, said = await call("uninstall")
    assert (code, said[-1]) == (0, "Virtplane is gone")


def test_a_cluster_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install", "--kubeconfig", str(tmp_path / "none")]) == 1
    assert main(["uninstall", "--kubeconfig", ""]) == 1
    said = capsys.readouterr().err
    assert f"the kubeconfig {tmp_path / 'none'} cannot be used" in said
    assert "say which cluster" in said
