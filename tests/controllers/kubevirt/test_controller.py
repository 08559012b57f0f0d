"""The KubeVirt object's status, as API clients see it: the real controllers against a real HTTP server."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from client.api import Client
from client.kinds import KUBEVIRT
from kube.nodes import architecture
from tests.client.standin import StandIn, stand_in
from tests.working import working_controllers

Object = dict[str, Any]
NAMESPACE = "virtplane"


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[tuple[StandIn, Client]]:
    async with (
        stand_in(tmp_path) as (server, kubeconfig),
        Client.from_kubeconfig(kubeconfig, "tests") as client,
        working_controllers(kubeconfig),
    ):
        yield server, client


async def create(client: Client, name: str = "kubevirt", **metadata: Any) -> None:
    about = {"apiVersion": KUBEVIRT.api_version, "kind": KUBEVIRT.kind}
    await client.create(KUBEVIRT, {**about, "metadata": {"name": name, "namespace": NAMESPACE, **metadata}, "spec": {}})


def status(server: StandIn, name: str = "kubevirt") -> Object:
    return (server.get("kubevirts", name, NAMESPACE) or {}).get("status", {})


def conditions(server: StandIn, name: str = "kubevirt") -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["reason"]) for each in status(server, name).get("conditions", ())}


def event_reasons(server: StandIn) -> list[str]:
    return [obj["reason"] for (plural, _, _), obj in server.objects.items() if plural == "events"]


async def test_what_counts_is_held_and_told_to_be_in_force(cluster: tuple[StandIn, Client]) -> None:
    server, client = cluster
    await create(client)
    await server.until(lambda: status(server).get("phase") == "Deployed")
    assert conditions(server) == {
        "Created": ("True", "AllResourcesCreated"),
        "Available": ("True", "AllComponentsReady"),
        "Progressing": ("False", "AllComponentsReady"),
        "Degraded": ("False", "AllComponentsReady"),
    }
    told = status(server)
    assert told["observedGeneration"] == 1
    assert told["defaultArchitecture"] == architecture()
    versions = {told[name] for name in ("operatorVersion", "observedKubeVirtVersion", "targetKubeVirtVersion")}
    assert len(versions) == 1
    held = server.get("kubevirts", "kubevirt", NAMESPACE)
    assert held is not None
    assert held["metadata"]["finalizers"] == ["kubevirt.io/foregroundDeleteKubeVirt"]
    await server.until(lambda: event_reasons(server) == ["Deployed"])


async def test_a_change_is_observed(cluster: tuple[StandIn, Client]) -> None:
    server, client = cluster
    await create(client)
    await server.until(lambda: status(server).get("phase") == "Deployed")
    await client.patch(KUBEVIRT, "kubevirt", NAMESPACE, {"metadata": {"generation": 2}})
    await server.until(lambda: status(server)["observedGeneration"] == 2)


async def test_of_two_only_the_older_counts_until_it_goes(cluster: tuple[StandIn, Client]) -> None:
    server, client = cluster
    await create(client)
    await create(client, "later", creationTimestamp="2026-06-01T00:00:00Z")
    await server.until(lambda: conditions(server, "later") == {"Synchronized": ("False", "ExistingDeployment")})
    assert "virtplane/kubevirt is older" in status(server, "later")["conditions"][0]["message"]
    await server.until(lambda: "ExistingDeployment" in event_reasons(server))
    await client.delete(KUBEVIRT, "kubevirt", NAMESPACE)
    await server.until(lambda: status(server, "later").get("phase") == "Deployed")
    assert "Synchronized" not in conditions(server, "later")


@pytest.mark.parametrize("more", [[], ["foregroundDeleteKubeVirt"]], ids=["ours", "with its old name"])
async def test_one_that_is_deleted_says_so_and_goes(cluster: tuple[StandIn, Client], more: list[str]) -> None:
    server, client = cluster
    await create(client, finalizers=["example.com/held", *more])
    await server.until(lambda: status(server).get("phase") == "Deployed")
    await client.delete(KUBEVIRT, "kubevirt", NAMESPACE)

    def finalizers() -> list[str]:
        return (server.get("kubevirts", "kubevirt", NAMESPACE) or {})["metadata"]["finalizers"]

    await server.until(lambda: finalizers() == ["example.com/held"])
    assert status(server)["phase"] == "Deleting"
    assert conditions(server)["Degraded"] == ("True", "DeletionInProgress")
    await client.patch(KUBEVIRT, "kubevirt", NAMESPACE, {"metadata": {"finalizers": None}})
    await server.until(lambda: server.get("kubevirts", "kubevirt", NAMESPACE) is None)
