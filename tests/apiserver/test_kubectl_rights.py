"""kubectl for somebody who is no administrator: what they may, who they are, and tokens of accounts."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import yaml

from certs.authority import issue_client
from certs.pair import Pair
from certs.purposes import CLIENTS
from tests.server import Server, running_server

Kubectl = Callable[..., Awaitable[str]]
MACHINE = """
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {name: mine}
spec:
  runStrategy: Halted
  template: {spec: {domain: {devices: {}, memory: {guest: 64Mi}}}}
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running_server(tmp_path) as server:
        issue_client(Pair.load(server.pki.directory, CLIENTS.file), "eve").save(server.pki.directory, "eve")
        yield server


@pytest.fixture
def admin(server: Server, kubectl_with: Callable[..., Kubectl]) -> Kubectl:
    return kubectl_with(server.kubeconfig("admin"))


@pytest.fixture
def eve(server: Server, kubectl_with: Callable[..., Kubectl]) -> Kubectl:
    return kubectl_with(server.kubeconfig("eve"))


async def who(kubectl: Kubectl, *as_whom: str, fails: bool = False) -> str:
    """What the server says of a user: by ``kubectl auth whoami``, which Debian's kubectl does not have."""
    if "whoami" in await kubectl("auth", "--help"):
        return await kubectl("auth", "whoami", "-o", "json", *as_whom, fails=fails)
    review = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    return await kubectl("create", "--raw", path, "-f", "-", *as_whom, given=review, fails=fails)


async def token_of(kubectl: Kubectl, account: str) -> str:
    """A token of an account: by ``kubectl create token``, which Debian's kubectl does not have."""
    if "token" in await kubectl("create", "--help"):
        return (await kubectl("create", "token", account, "--duration=15m")).strip()
    wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 900}}
    path = f"/api/v1/namespaces/default/serviceaccounts/{account}/token"
    answer = await kubectl("create", "--raw", path, "-f", "-", given=json.dumps(wanted))
    return json.loads(answer)["status"]["token"]


async def make_eve_a_maker(admin: Kubectl) -> None:
    await admin("create", "namespace", "team")
    await admin("create", "role", "maker", "-n", "team", "--verb=create,get", "--resource=virtualmachines.kubevirt.io")
    await admin("create", "rolebinding", "eve-makes", "-n", "team", "--role=maker", "--user=eve")


async def test_a_user_makes_machines_in_one_namespace_and_does_nothing_else(admin: Kubectl, eve: Kubectl) -> None:
    assert "forbidden" in await eve("create", "-n", "team", "-f", "-", given=MACHINE, fails=True)
    await make_eve_a_maker(admin)
    assert "virtualmachine.kubevirt.io/mine created" in await eve("create", "-n", "team", "-f", "-", given=MACHINE)
    assert "mine" in await eve("get", "vm", "mine", "-n", "team")
    for refused in (
        ("get", "vm", "-n", "team"),
        ("delete", "vm", "mine", "-n", "team"),
        ("get", "vm", "mine", "-n", "default"),
        ("get", "nodes"),
        ("get", "secrets", "-n", "team"),
        ("create", "rolebinding", "more", "-n", "team", "--clusterrole=cluster-admin", "--user=eve"),
    ):
        assert "is forbidden" in await eve(*refused, fails=True), refused
    assert "Forbidden" in await eve("create", "-n", "default", "-f", "-", given=MACHINE, fails=True)


async def test_can_i_and_whoami_tell_the_truth(admin: Kubectl, eve: Kubectl) -> None:
    await make_eve_a_maker(admin)
    machines = "virtualmachines.kubevirt.io"
    assert (await eve("auth", "can-i", "create", machines, "-n", "team")).strip() == "yes"
    for asked in (("delete", machines, "-n", "team"), ("create", machines, "-n", "default"), ("*", "*")):
        assert (await eve("auth", "can-i", *asked, fails=True)).splitlines()[-1] == "no", asked
    told = await eve("auth", "can-i", "--list", "-n", "team")
    assert any(line.split()[0] == machines and "[create get]" in line for line in told.splitlines()), told
    assert machines not in (await eve("auth", "can-i", "--list", "-n", "default")).replace(f"{machines}/", "")
    assert "*.*" in await admin("auth", "can-i", "--list")
    assert (await admin("auth", "can-i", "create", machines, "-n", "team", "--as=eve")).strip() == "yes"
    herself = json.loads(await who(eve))
    assert herself["status"]["userInfo"] == {"username": "eve", "groups": ["system:authenticated"]}
    as_group = json.loads(await who(admin, "--as=bob", "--as-group=developers"))
    assert as_group["status"]["userInfo"]["groups"] == ["developers", "system:authenticated"]
    refused = await who(eve, "--as=bob", fails=True)
    assert "do not have permission" in refused or "Forbidden" in refused


async def test_roles_of_others_are_made_whole_by_reconcile(admin: Kubectl) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "reader"},
        "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}],
    }
    assert "reconciled" in await admin("auth", "reconcile", "-f", "-", given=json.dumps(role))
    assert "nodes" in await admin("describe", "clusterrole", "reader")


async def test_an_accounts_token_lets_kubectl_in_until_the_account_goes(
    server: Server, tmp_path: Path, admin: Kubectl, kubectl_with: Callable[..., Kubectl]
) -> None:
    await admin("create", "serviceaccount", "robot")
    token = await token_of(admin, "robot")
    config = yaml.safe_load(server.kubeconfig("admin").read_text())
    config["users"][0]["user"] = {"token": token}
    path = tmp_path / "robot.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    robot = kubectl_with(path)
    assert "system:serviceaccount:default:robot" in await who(robot)
    assert "Forbidden" in await robot("get", "vm", fails=True)
    await admin("create", "rolebinding", "robot", "--clusterrole=view", "--serviceaccount=default:robot")
    assert "No resources found" in await robot("get", "vm")
    await admin("delete", "serviceaccount", "robot")
    assert "Unauthorized" in (refused := await robot("get", "vm", fails=True)) or "logged in" in refused
