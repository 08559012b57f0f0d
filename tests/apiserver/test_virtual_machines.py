"""The KubeVirt kinds on the whole server, driven by the real kubectl."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import yaml

Kubectl = Callable[..., Awaitable[str]]

EXAMPLES = Path(__file__).parents[2] / "examples"
MACHINE = (EXAMPLES / "vm-busybox.yaml").read_text()


def instance_manifest() -> dict[str, Any]:
    template = yaml.safe_load(MACHINE)["spec"]["template"]
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {"name": "guest"},
        "spec": template["spec"],
    }


async def test_a_machine_is_applied_shown_and_applied_again_unchanged(kubectl: Kubectl) -> None:
    assert "virtualmachine.kubevirt.io/busybox created" in await kubectl("apply", "-f", "-", given=MACHINE)
    assert "unchanged" in await kubectl("apply", "-f", "-", given=MACHINE)
    assert (await kubectl("get", "vms")).split()[:4] == ["NAME", "AGE", "STATUS", "READY"]
    assert "busybox" in await kubectl("get", "all")


async def test_an_instance_starts_pending_and_may_be_applied_again(kubectl: Kubectl) -> None:
    manifest = json.dumps(instance_manifest())
    await kubectl("apply", "-f", "-", given=manifest)
    created = json.loads(await kubectl("get", "vmi", "guest", "-o", "json"))
    assert created["status"]["phase"] == "Pending"
    assert "guest" in await kubectl("get", "vmi", "--field-selector", "status.phase=Pending")
    await kubectl("apply", "-f", "-", given=manifest)
    assert json.loads(await kubectl("get", "vmi", "guest", "-o", "json"))["spec"] == created["spec"]
