"""The KubeVirt object of a server, over HTTP: made once, and in force as soon as it is written."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from client.api import Client
from client.errors import ApiError
from client.kinds import KUBEVIRT, VIRTUAL_MACHINE
from tests.server import Server, running_server

Object = dict[str, Any]
WHERE = ("kubevirt", "virtplane")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running_server(tmp_path, initial_configuration=True) as server:
        yield server


def connected(server: Server, identity: str = "admin") -> Any:
    return Client.from_kubeconfig(server.kubeconfig(identity), "tests")


async def test_a_new_database_begins_with_the_choices_for_a_single_host(server: Server) -> None:
    async with connected(server) as client:
        found = await client.get(KUBEVIRT, *WHERE)
    said = found["spec"]["configuration"]
    assert said["network"]["defaultNetworkInterface"] == "masquerade"
    assert said["developerConfiguration"]["featureGates"] == ["HostDisk"]


async def test_what_users_make_of_it_stays_as_it_is(tmp_path: Path) -> None:
    async with running_server(tmp_path, initial_configuration=True) as server, connected(server) as client:
        await client.patch(KUBEVIRT, *WHERE, {"spec": {"configuration": {"network": None, "cpuModel": "Haswell"}}})
    async with running_server(tmp_path, initial_configuration=True) as server, connected(server) as client:
        found = await client.get(KUBEVIRT, *WHERE)
        assert "network" not in found["spec"]["configuration"]
        await client.delete(KUBEVIRT, *WHERE)
    async with running_server(tmp_path, initial_configuration=True) as server, connected(server) as client:
        assert (await client.list(KUBEVIRT))["items"] == []


async def test_a_server_that_others_configure_begins_with_no_configuration(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server, connected(server) as client:
        assert (await client.list(KUBEVIRT))["items"] == []


async def test_a_second_object_is_refused(server: Server) -> None:
    async with connected(server) as client:
        with pytest.raises(ApiError, match="there is a KubeVirt object already, virtplane/kubevirt") as refused:
            await client.create(KUBEVIRT, {"metadata": {"name": "kubevirt", "namespace": "default"}, "spec": {}})
    assert (refused.value.code, refused.value.reason) == (422, "Invalid")


async def test_a_gate_that_is_switched_on_lets_its_feature_in_at_once(server: Server) -> None:
    devices = {"autoattachVSOCK": True}
    template = {"spec": {"domain": {"memory": {"guest": "64Mi"}, "devices": devices}}}
    machine = {"metadata": {"name": "vm", "namespace": "default"}, "spec": {"running": False, "template": template}}
    async with connected(server) as client:
        with pytest.raises(ApiError, match="the feature gate VSOCK is off"):
            await client.create(VIRTUAL_MACHINE, machine)
        gates = {"developerConfiguration": {"featureGates": ["HostDisk", "VSOCK"]}}
        await client.patch(KUBEVIRT, *WHERE, {"spec": {"configuration": gates}})
        await client.create(VIRTUAL_MACHINE, machine)


async def test_it_may_not_be_deleted_while_it_is_in_force_and_machines_need_it(server: Server) -> None:
    template = {"spec": {"domain": {"memory": {"guest": "64Mi"}, "devices": {}}}}
    machine = {"metadata": {"name": "vm", "namespace": "default"}, "spec": {"running": False, "template": template}}
    async with connected(server) as client:
        await client.patch(KUBEVIRT, *WHERE, {"spec": {"uninstallStrategy": "BlockUninstallIfWorkloadsExist"}})
        await client.patch(KUBEVIRT, *WHERE, {"status": {"phase": "Deployed"}}, subresource="status")
        await client.create(VIRTUAL_MACHINE, machine)
        with pytest.raises(ApiError, match="blocks it while there are VirtualMachines") as refused:
            await client.delete(KUBEVIRT, *WHERE)
        assert refused.value.code == 403
        await client.delete(VIRTUAL_MACHINE, "vm", "default")
        await client.delete(KUBEVIRT, *WHERE)


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha3", "v1alpha1"])
async def test_every_version_has_the_same_shape(server: Server, version: str) -> None:
    async with connected(server) as client:
        kind = type(KUBEVIRT)(KUBEVIRT.group, version, KUBEVIRT.kind, KUBEVIRT.plural, namespaced=True)
        found = await client.get(kind, *WHERE)
    assert found["apiVersion"] == f"kubevirt.io/{version}"
    assert found["spec"]["configuration"]["network"] == {"defaultNetworkInterface": "masquerade"}


async def test_an_agent_reads_it_and_changes_nothing(server: Server) -> None:
    async with connected(server, "agent") as agent:
        assert len((await agent.list(KUBEVIRT))["items"]) == 1
        with pytest.raises(ApiError) as refused:
            await agent.patch(KUBEVIRT, *WHERE, {"spec": {"configuration": {"cpuModel": "Haswell"}}})
    assert refused.value.code == 403
