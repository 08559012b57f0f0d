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


async def test_every_example_applies_with_no_warning_but_of_its_old_version(kubectl: Kubectl) -> None:
    for example in sorted(EXAMPLES.glob("*.yaml")):
        answer = await kubectl("apply", "--dry-run=server", "-f", str(example))
        warnings = [line for line in answer.splitlines() if "Warning" in line]
        old = "v1alpha1" in example.name
        text = "Warning: kubevirt.io/v1alpha1 VirtualMachine is deprecated; use kubevirt.io/v1 VirtualMachine"
        assert warnings == ([text] if old else [])
        assert "created (server dry run)" in answer


async def test_a_machine_is_seen_in_the_shape_that_a_client_asks_for(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", str(EXAMPLES / "vm-busybox.v1alpha1.yaml"))
    new = json.loads(await kubectl("get", "vm", "busybox-v1alpha1", "-o", "json"))
    assert new["spec"]["runStrategy"] == "Always"
    assert new["spec"]["template"]["spec"]["domain"]["memory"] == {"guest": "128Mi"}
    # Not vm.v1alpha1.kubevirt.io: newer kubectls forget the version where they expand a short name.
    old = await kubectl("get", "virtualmachine.v1alpha1.kubevirt.io", "busybox-v1alpha1", "-o", "yaml")
    shown = yaml.safe_load(old[old.index("apiVersion") :])
    assert shown["spec"]["running"] is True
    assert shown["spec"]["template"]["spec"]["domain"]["memory"] == {"value": 128, "unit": "MiB"}
    assert "registryDisk" in shown["spec"]["template"]["spec"]["volumes"][0]
    assert "annotations" not in shown["metadata"] or not [
        each for each in shown["metadata"]["annotations"] if each.startswith("virtplane.io/")
    ]


async def test_kubectl_explains_the_machine_in_every_version(kubectl: Kubectl) -> None:
    assert "The guest's devices." in await kubectl("explain", "vm.spec.template.spec.domain")
    assert "phaseTransitionTimestamp" in await kubectl("explain", "vmi.status", "--recursive")
    old = await kubectl("explain", "vm.spec.template.spec.domain.memory", "--api-version=kubevirt.io/v1alpha1")
    assert "What value counts" in old
    v1beta1 = ["--api-version=kubevirt.io/v1beta1", "vmi.spec.domain.devices.interfaces"]
    assert "binding" not in await kubectl("explain", *v1beta1)


async def test_a_misspelt_field_is_refused_with_its_path(kubectl: Kubectl) -> None:
    typo = json.dumps(yaml.safe_load(MACHINE.replace("guest: 128Mi", "gest: 128Mi")))
    path = "/apis/kubevirt.io/v1/namespaces/default/virtualmachines?fieldValidation=Strict"
    answer = await kubectl("create", "--raw", path, "-f", "-", given=typo, fails=True)
    assert 'strict decoding error: unknown field "spec.template.spec.domain.memory.gest"' in answer


async def test_v1alpha3_is_v1_under_an_older_name(kubectl: Kubectl) -> None:
    answer = await kubectl("apply", "-f", "-", given=MACHINE.replace("kubevirt.io/v1", "kubevirt.io/v1alpha3"))
    assert "kubevirt.io/v1alpha3 VirtualMachine is deprecated; use kubevirt.io/v1 VirtualMachine" in answer
    assert "Always" in await kubectl("get", "vm", "busybox", "-o", "jsonpath={.spec.runStrategy}")


async def test_an_instances_hardware_cannot_be_changed(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", given=json.dumps(instance_manifest()))
    patch = '{"spec":{"domain":{"memory":{"guest":"256Mi"}}}}'
    answer = await kubectl("patch", "vmi", "guest", "--type=merge", "-p", patch, fails=True)
    assert "change its VirtualMachine instead" in answer
    await kubectl("label", "vmi", "guest", "colour=green")


WriteStatus = Callable[..., Awaitable[str]]


async def test_only_controllers_and_the_nodes_own_agent_write_an_instances_status(
    kubectl_as: Callable[[str], Kubectl], write_status: WriteStatus
) -> None:
    admin, controllers, agent = (kubectl_as(each) for each in ("admin", "controllers", "agent"))
    await admin("apply", "-f", "-", given=json.dumps(instance_manifest()))
    await write_status(admin, "guest", {"phase": "Running"})
    assert await admin("get", "vmi", "guest", "-o", "jsonpath={.status.phase}") == "Pending"
    assert "forbidden" in await write_status(agent, "guest", {"phase": "Running"}, fails=True)
    await write_status(controllers, "guest", {"nodeName": "one", "phase": "Scheduled"})
    await write_status(agent, "guest", {"nodeName": "two", "phase": "Running"})
    shown = await admin("get", "vmi", "guest", "-o", "jsonpath={.status.phase} {.status.nodeName}")
    assert shown == "Running one"


async def test_an_agent_sees_the_instances_of_its_node_only(
    kubectl_as: Callable[[str], Kubectl], write_status: WriteStatus
) -> None:
    admin, controllers, agent = (kubectl_as(each) for each in ("admin", "controllers", "agent"))
    for name in ("guest", "other"):
        manifest = instance_manifest() | {"metadata": {"name": name}}
        await admin("apply", "-f", "-", given=json.dumps(manifest))
    await write_status(controllers, "guest", {"nodeName": "one"})
    assert "Forbidden" in await agent("get", "vmi", fails=True)
    listed = await agent("get", "vmi", "-A", "--field-selector", "status.nodeName=one", "-o", "name")
    assert listed.split() == ["virtualmachineinstance.kubevirt.io/guest"]


async def test_an_agent_registers_no_node_but_its_own(kubectl_as: Callable[[str], Kubectl]) -> None:
    agent = kubectl_as("agent")
    node = '{{"apiVersion":"v1","kind":"Node","metadata":{{"name":"{}"}}}}'
    answer = await agent("create", "-f", "-", given=node.format("two"), fails=True)
    assert "may only use the name of its node" in answer
    assert "node/one created" in await agent("create", "-f", "-", given=node.format("one"))


async def test_a_deleted_instance_stays_until_its_agent_lets_it_go(
    kubectl_as: Callable[[str], Kubectl], write_status: WriteStatus
) -> None:
    admin, controllers, agent = (kubectl_as(each) for each in ("admin", "controllers", "agent"))
    await admin("apply", "-f", "-", given=json.dumps(instance_manifest()))
    await write_status(controllers, "guest", {"nodeName": "one"})
    await admin("delete", "vmi", "guest", "--wait=false")
    held = await admin("get", "vmi", "guest", "-o", "jsonpath={.metadata.finalizers} {.metadata.deletionTimestamp}")
    assert held.startswith('["kubevirt.io/foregroundDeleteVirtualMachine"] 2')
    await agent("patch", "vmi", "guest", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    assert "NotFound" in await admin("get", "vmi", "guest", fails=True)


async def test_tables_have_kubevirts_columns(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", given=json.dumps(instance_manifest()))
    header = (await kubectl("get", "vmis", "-o", "wide")).splitlines()[0].split()
    assert header == ["NAME", "AGE", "PHASE", "IP", "NODENAME", "READY", "LIVE-MIGRATABLE", "PAUSED"]
    row = (await kubectl("get", "vmi", "guest", "--no-headers")).split()
    assert row[0] == "guest"
    assert "Pending" in row
    listed = await kubectl("api-resources", "--api-group=kubevirt.io", "--no-headers")
    found = {tuple(line.split()) for line in listed.splitlines()}
    assert found >= {
        ("virtualmachines", "vm,vms", "kubevirt.io/v1", "true", "VirtualMachine"),
        ("virtualmachineinstances", "vmi,vmis", "kubevirt.io/v1", "true", "VirtualMachineInstance"),
    }
