"""A server that a cluster does not give what it needs refuses to start, and says what is missing."""

from pathlib import Path
from typing import Any

import pytest
import yaml

import deploy
from apiserver.incluster import Member
from apiserver.preconditions import HalfConfiguredError, needed
from client.errors import KubeconfigError
from tests.aggregation.conftest import CONFIG, TRUST, account, trust
from tests.aggregator import FrontProxy
from tests.conformance.api import Api
from tests.server import Server, running_server

RBAC = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture
async def kubeconfig(tmp_path: Path, cluster: Server, masters: Api) -> Path:
    """The server's, in a cluster where all is well so far."""
    await trust(masters, cluster, FrontProxy(tmp_path / "front-proxy"))
    return await account(masters, cluster, tmp_path / "server.kubeconfig")


async def refused(directory: Path, kubeconfig: Path) -> str:
    """What a server says that does not start."""
    with pytest.raises((HalfConfiguredError, KubeconfigError)) as said:
        async with running_server(directory / "server", around=Member(kubeconfig=kubeconfig)):
            pass
    return str(said.value)


@pytest.mark.parametrize(
    ("binding", "missing"),
    [
        (
            f"{RBAC}/clusterrolebindings/virtplane-api:system:auth-delegator",
            "create tokenreviews.authentication.k8s.io, create subjectaccessreviews.authorization.k8s.io: apply",
        ),
        (
            f"{RBAC}/namespaces/kube-system/rolebindings/virtplane-api:extension-apiserver-authentication-reader",
            "get configmaps extension-apiserver-authentication in namespace kube-system, list configmaps",
        ),
        (f"{RBAC}/clusterrolebindings/virtplane-api", "get namespaces, get limitranges"),
    ],
)
async def test_a_right_that_is_missing_is_named(
    tmp_path: Path, masters: Api, kubeconfig: Path, binding: str, missing: str
) -> None:
    assert (await masters.call("DELETE", binding)).code == 200
    said = await refused(tmp_path, kubeconfig)
    assert f"the cluster does not allow this server to {missing}" in said
    assert "run `virtplane install` again" in said


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "is not there"),
        ({"requestheader-client-ca-file": None}, "names no front proxy"),
        ({"requestheader-client-ca-file": "-----BEGIN CERTIFICATE-----"}, "cannot be used"),
        ({"requestheader-allowed-names": "front-proxy-client"}, "cannot be used: requestheader-allowed-names"),
    ],
)
async def test_a_cluster_without_a_front_proxy_is_no_place_for_it(
    tmp_path: Path, masters: Api, kubeconfig: Path, data: dict[str, Any] | None, why: str
) -> None:
    path = f"{TRUST.path}/{CONFIG}"
    if data is None:
        assert (await masters.call("DELETE", path)).code == 200
    else:
        await masters.patch(TRUST, CONFIG, {"data": data})
    assert f"ConfigMap kube-system/extension-apiserver-authentication {why}" in await refused(tmp_path, kubeconfig)


async def test_a_token_that_the_cluster_does_not_know_is_told(tmp_path: Path, kubeconfig: Path) -> None:
    config = yaml.safe_load(kubeconfig.read_text())
    config["users"][0]["user"]["token"] = "nobody's"
    kubeconfig.write_text(yaml.safe_dump(config))
    said = await refused(tmp_path, kubeconfig)
    assert "the cluster does not let this server in" in said
    assert "nobody's" not in said


async def test_a_kubeconfig_that_is_missing_is_named(tmp_path: Path) -> None:
    assert f"the kubeconfig {tmp_path}/absent cannot be used" in await refused(tmp_path, tmp_path / "absent")


def test_the_manifests_give_what_is_needed_and_no_more() -> None:
    given: set[tuple[str, str, str]] = set()
    for document in yaml.safe_load_all((deploy.DIRECTORY / "base" / "server-rbac.yaml").read_text()):
        if document["kind"] == "ClusterRole":
            for rule in document["rules"]:
                (group,) = rule["apiGroups"]
                given |= {(verb, group, plural) for verb in rule["verbs"] for plural in rule["resources"]}
    # The rest is in the roles that every cluster has for servers like this.
    others = {"tokenreviews", "subjectaccessreviews", "configmaps"}
    rights = {(each.verb, each.group, each.resource) for each in needed(importer=True)}
    assert given == {each for each in rights if each[2] not in others}
