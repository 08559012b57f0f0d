"""kubectl with the kinds of KubeVirt's other groups, by their short names."""

import json
from typing import Any

import pytest

from apiserver.resources import resources
from tests.apiserver.conftest import Kubectl
from tests.apiserver.resources.generated import CATALOGUE
from tests.apiserver.resources.surroundings import Remembered

KINDS = [
    resource
    for resource in resources(CATALOGUE, Remembered())
    if resource.group.endswith(".kubevirt.io") and "example" in resource.hub.schema.document
]
EXAMPLES = [resource.hub.schema.document["example"] for resource in KINDS]
SHORT_NAMES = (
    "vmsnapshot,vmsnapshotcontent,vmrestore,vmclone,vmexport,vmpool,vmf,vmcf,vmpref,vmcp,migrationpolicies,dv,das"
)


def as_list(objects: list[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


@pytest.mark.parametrize("how", [(), ("--server-side",)], ids=["client-side", "server-side"])
async def test_the_examples_can_be_applied_twice_and_shown(kubectl: Kubectl, how: tuple[str, ...]) -> None:
    first = await kubectl("apply", *how, "-f", "-", given=as_list(EXAMPLES))
    assert "nothing acts on a VirtualMachinePool yet" in first
    again = await kubectl("apply", *how, "-f", "-", given=as_list(EXAMPLES))
    assert again.count("serverside-applied" if how else "unchanged") == len(EXAMPLES)
    shown = await kubectl("get", SHORT_NAMES, "-o", "wide")
    assert shown.count(".kubevirt.io/") == len(EXAMPLES)
    assert "AGE" in shown
    (pool,) = (line for line in shown.splitlines() if "virtualmachinepool" in line)
    assert pool.split()[1] == "3"


@pytest.mark.parametrize("resource", KINDS, ids=lambda resource: resource.kind)
async def test_every_version_can_be_explained(kubectl: Kubectl, resource: Any) -> None:
    for version in resource.versions:
        name = f"--api-version={resource.api_version(version.name)}"
        told = await kubectl("explain", resource.plural, "--recursive", name)
        assert version.name in told
        assert version.schema.document["description"].split()[0] in told
        assert "FIELDS" in told


async def test_an_old_version_is_deprecated_and_shows_what_it_can_say(kubectl: Kubectl) -> None:
    linux = next(each for each in EXAMPLES if each["kind"] == "VirtualMachineClusterPreference")
    await kubectl("apply", "-f", "-", given=json.dumps(linux))
    old = await kubectl(
        "get", "virtualmachineclusterpreferences.v1alpha2.instancetype.kubevirt.io", "linux", "-o", "yaml"
    )
    assert "is deprecated; use instancetype.kubevirt.io/v1beta1 VirtualMachineClusterPreference" in old
    assert "preferredDiskBus: virtio" in old
    assert "preferredCPUTopology: spread" not in old.partition("\nspec:")[2]
