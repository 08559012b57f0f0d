"""Replica sets and migrations, which nothing acts on yet, and presets, by the real kubectl."""

import json
from typing import Any

import pytest

from tests.apiserver.conftest import Kubectl

Object = dict[str, Any]
TEMPLATE = {"metadata": {"labels": {"app": "w"}}, "spec": {"domain": {"memory": {"guest": "64Mi"}, "devices": {}}}}
SELECTOR = {"matchLabels": {"app": "w"}}
SPECS: dict[str, Object] = {
    "VirtualMachineInstance": TEMPLATE["spec"],
    "VirtualMachineInstanceReplicaSet": {"replicas": 2, "selector": SELECTOR, "template": TEMPLATE},
    "VirtualMachineInstancePreset": {"selector": SELECTOR, "domain": TEMPLATE["spec"]["domain"]},
    "VirtualMachineInstanceMigration": {"vmiName": "one"},
}
SHORT = {
    "vmirs": "VirtualMachineInstanceReplicaSet",
    "vmipreset": "VirtualMachineInstancePreset",
    "vmim": "VirtualMachineInstanceMigration",
}
COLUMNS = {"vmirs": "NAME DESIRED CURRENT READY AGE", "vmipreset": "NAME AGE", "vmim": "NAME PHASE VMI"}


def manifest(kind: str, version: str = "v1") -> str:
    return json.dumps(
        {"apiVersion": f"kubevirt.io/{version}", "kind": kind, "metadata": {"name": "one"}, "spec": SPECS[kind]}
    )


@pytest.mark.parametrize("short", SHORT)
async def test_a_kind_is_served_in_every_version_and_says_if_nothing_acts_on_it(kubectl: Kubectl, short: str) -> None:
    kind = SHORT[short]
    await kubectl("create", "-f", "-", given=manifest("VirtualMachineInstance"))
    told = await kubectl("create", "-f", "-", given=manifest(kind))
    assert (f"nothing acts on a {kind} yet" in told) is (kind != "VirtualMachineInstancePreset")
    for version in ("v1", "v1beta1", "v1alpha3", "v1alpha1"):
        plural = f"{kind.lower()}s.{version}.kubevirt.io"
        shown = await kubectl("get", plural, "one", "-o", "jsonpath={.apiVersion} {.metadata.name}")
        assert shown.endswith(f"kubevirt.io/{version} one")
        await kubectl("label", plural, "one", f"seen-by={version}", "--overwrite")
    (header, _) = (await kubectl("get", short)).splitlines()[-2:]
    assert header.split() == COLUMNS[short].split()
    told = await kubectl("explain", f"{kind.lower()}.spec", "--api-version=kubevirt.io/v1")
    assert "DESCRIPTION" in told


async def test_a_replica_set_can_be_scaled(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", given=manifest("VirtualMachineInstanceReplicaSet"))
    await kubectl("scale", "vmirs", "one", "--replicas=5")
    assert await kubectl("get", "vmirs", "one", "-o", "jsonpath={.spec.replicas}") == "5"


async def test_every_version_of_a_preset_tells_what_to_use_instead(kubectl: Kubectl) -> None:
    told = await kubectl("create", "-f", "-", given=manifest("VirtualMachineInstancePreset"))
    assert "kubevirt.io/v1 VirtualMachineInstancePreset is deprecated; use instancetypes and preferences" in told


async def test_v1alpha1_says_which_instance_a_migration_moves_by_a_selector(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", given=manifest("VirtualMachineInstance"))
    old = json.loads(manifest("VirtualMachineInstanceMigration", "v1alpha1"))
    await kubectl("create", "-f", "-", given=json.dumps({**old, "spec": {"selector": {"name": "one"}}}))
    assert await kubectl("get", "vmim", "one", "-o", "jsonpath={.spec}") == '{"vmiName":"one"}'


async def test_an_instance_gets_what_presets_for_its_labels_have(kubectl: Kubectl) -> None:
    preset = json.loads(manifest("VirtualMachineInstancePreset"))
    preset["spec"]["domain"] = {"cpu": {"cores": 3}, "devices": {}}
    await kubectl("create", "-f", "-", given=json.dumps(preset))
    instance = json.loads(manifest("VirtualMachineInstance"))
    instance["metadata"]["labels"] = {"app": "w"}
    await kubectl("create", "-f", "-", given=json.dumps(instance))
    assert await kubectl("get", "vmi", "one", "-o", "jsonpath={.spec.domain.cpu.cores}") == "3"
