"""The instance types and preferences that are ready to install, installed with the real kubectl."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver.conftest import Kubectl
from tests.conformance.api import Api, connected
from tests.server import Server

DIRECTORY = Path(__file__).parents[2] / "deploy" / "common-instancetypes"
GROUP = "/apis/instancetype.kubevirt.io/v1beta1"
MACHINES = "/apis/kubevirt.io/v1/namespaces/default/virtualmachines"
ACTIONS = MACHINES.replace("kubevirt.io", "subresources.kubevirt.io", 1)
FAMILIES = {"cx1", "d1", "m1", "n1", "o1", "rt1", "u1"}


@pytest.fixture
async def api(server: Server) -> AsyncIterator[Api]:
    async with connected(server) as session:
        yield Api(session)


def machine(instancetype: str, preference: str) -> dict[str, Any]:
    volumes = [{"name": "disk", "containerDisk": {"image": "quay.io/containerdisks/fedora:42"}}]
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": "vm"},
        "spec": {
            "runStrategy": "Halted",
            "instancetype": {"name": instancetype},
            "preference": {"name": preference},
            "template": {"spec": {"domain": {"devices": {}}, "volumes": volumes}},
        },
    }


async def test_all_can_be_installed_twice_and_listed(kubectl: Kubectl) -> None:
    first = await kubectl("apply", "-k", str(DIRECTORY))
    count = len(first.splitlines())
    assert first.count(" created") == count > 100
    assert (await kubectl("apply", "-k", str(DIRECTORY))).count(" unchanged") == count
    sizes = (await kubectl("get", "vmcf")).splitlines()
    preferences = (await kubectl("get", "vmcp")).splitlines()
    assert sizes[0].split() == preferences[0].split() == ["NAME", "AGE"]
    assert len(sizes) + len(preferences) == count + 2
    assert {line.partition(".")[0] for line in sizes[1:]} == FAMILIES
    labelled = await kubectl("get", "vmcf", "-l", "instancetype.kubevirt.io/vendor=kubevirt.io", "-o", "name")
    assert len(labelled.splitlines()) == len(sizes) - 1
    assert "u1.small" in await kubectl("get", "vmcf", "-l", "instancetype.kubevirt.io/memory=2Gi")


async def test_a_machine_is_made_of_a_size_and_a_system(kubectl: Kubectl) -> None:
    await kubectl("apply", "-k", str(DIRECTORY))
    assert "Warning" not in await kubectl("create", "-f", "-", given=json.dumps(machine("u1.small", "fedora")))
    spec = json.loads(await kubectl("get", "--raw", f"{ACTIONS}/vm/expand-spec"))["spec"]
    domain = spec["template"]["spec"]["domain"]
    assert {"instancetype", "preference"}.isdisjoint(spec)
    assert (domain["memory"]["guest"], domain["cpu"]["sockets"]) == ("2Gi", 1)
    assert domain["firmware"]["bootloader"]["efi"]["secureBoot"] is True
    assert domain["devices"]["disks"] == [{"name": "disk", "disk": {"bus": "virtio"}}]
    assert domain["devices"]["interfaces"][0]["model"] == "virtio"


async def names(api: Api, plural: str) -> list[str]:
    return [each["metadata"]["name"] for each in (await api.call("GET", f"{GROUP}/{plural}")).body["items"]]


async def test_every_size_and_every_system_makes_machines(kubectl: Kubectl, api: Api) -> None:
    await kubectl("apply", "-k", str(DIRECTORY))
    sizes, systems = [await names(api, f"virtualmachinecluster{each}") for each in ("instancetypes", "preferences")]
    pairs = [*((size, "linux") for size in sizes), *(("u1.2xlarge", system) for system in systems)]
    refused: dict[str, Any] = {}
    for size, system in pairs:
        answer = await api.call("POST", MACHINES, machine(size, system), dryRun="All")
        if answer.code != 201:
            refused[f"{size} {system}"] = answer.body["message"]
    assert refused == {}
