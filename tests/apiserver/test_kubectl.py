"""What people do all day with kubectl: with the one that is installed, and with Debian's."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

Kubectl = Callable[..., Awaitable[str]]

EXAMPLE = Path(__file__).parents[2] / "examples/vm-busybox.yaml"
OLD_EXAMPLE = EXAMPLE.with_suffix(".v1alpha1.yaml")
MACHINE = EXAMPLE.read_text()
BIGGER = MACHINE.replace("guest: 128Mi", "guest: 192Mi")
NODE = '{"apiVersion":"v1","kind":"Node","metadata":{"name":"one"}}'
MEMORY = "jsonpath={.spec.template.spec.domain.memory.guest}"


@pytest.fixture(params=["kubectl", "debians_kubectl"])
def kubectl(request: pytest.FixtureRequest, kubectl_as: Callable[..., Kubectl]) -> Kubectl:
    program = "kubectl" if request.param == "kubectl" else request.getfixturevalue("debians_program")
    return kubectl_as("admin", program)


async def test_apply_creates_then_changes_then_leaves_alone(kubectl: Kubectl) -> None:
    assert "busybox created" in await kubectl("apply", "-f", "-", given=MACHINE)
    assert "configured" in await kubectl("apply", "-f", "-", given=BIGGER)
    assert "unchanged" in await kubectl("apply", "-f", "-", given=BIGGER)
    assert await kubectl("get", "vm", "busybox", "-o", MEMORY) == "192Mi"


async def test_a_dry_run_shows_and_does_nothing(kubectl: Kubectl) -> None:
    tried = ("apply", "--dry-run=server", "-f", "-")
    assert "created (server dry run)" in await kubectl(*tried, given=MACHINE)
    assert "NotFound" in await kubectl("get", "vm", "busybox", fails=True)
    await kubectl("create", "-f", "-", given=MACHINE)
    assert "configured (server dry run)" in await kubectl(*tried, given=BIGGER)
    assert await kubectl("get", "vm", "busybox", "-o", MEMORY) == "128Mi"
    assert "created (server dry run)" in await kubectl("create", "configmap", "c", "--dry-run=server")


async def test_diff_shows_what_apply_would_change(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", given=MACHINE)
    shown = await kubectl("diff", "-f", "-", given=BIGGER, fails=True)  # it fails where there is a difference
    assert {"-          guest: 128Mi", "+          guest: 192Mi"} <= set(shown.splitlines())
    assert not await kubectl("diff", "-f", "-", given=MACHINE)


async def test_a_field_that_does_not_exist_and_one_of_the_wrong_type_are_refused(kubectl: Kubectl) -> None:
    assert "gest" in await kubectl("apply", "-f", "-", given=MACHINE.replace("guest:", "gest:"), fails=True)
    nameless = MACHINE.replace("name: busybox", "name: busybox\n  labels: [a]")
    assert "labels" in await kubectl("apply", "-f", "-", given=nameless, fails=True)


async def test_what_other_tools_write_down_is_no_mistake(kubectl: Kubectl) -> None:
    generated = MACHINE.replace("name: busybox", "name: busybox\n  creationTimestamp: null", 1)
    assert "created" in await kubectl("apply", "-f", "-", given=generated)
    exported = await kubectl("get", "vm", "busybox", "-o", "yaml")
    assert "configured" in await kubectl("apply", "-f", "-", given=exported.replace("128Mi", "192Mi"))


async def test_machines_are_listed_shown_and_described(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", str(EXAMPLE))
    assert (await kubectl("get", "vm")).split()[:5] == ["NAME", "AGE", "STATUS", "READY", "busybox"]
    assert "runStrategy: Always" in await kubectl("get", "vm/busybox", "-o", "yaml")
    described = await kubectl("describe", "vm", "busybox")
    assert "Run Strategy:  Always" in described
    assert "Events:" in described
    assert "No resources found" in await kubectl("get", "events")


async def test_the_shape_that_is_asked_for_is_shown(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", str(OLD_EXAMPLE))
    alpha = await kubectl("get", "virtualmachine.v1alpha1.kubevirt.io", "busybox-v1alpha1", "-o", "yaml")
    assert "registryDisk" in alpha
    # Newer ones forget the version where they expand a short name.
    minor = json.loads(await kubectl("version", "--client", "-o", "json"))["clientVersion"]["minor"]
    by_short_name = await kubectl("get", "vm.v1alpha1.kubevirt.io", "busybox-v1alpha1", "-o", "yaml")
    assert "registryDisk" in by_short_name or minor != "20"


async def test_explain_descends_into_every_field(kubectl: Kubectl) -> None:
    told = await kubectl("explain", "vm.spec.template.spec.domain.memory")
    assert "VirtualMachine\n" in told
    assert "The memory that the guest sees." in told
    all_fields = await kubectl("explain", "vm.spec", "--recursive")
    assert "containerDisk" in all_fields
    assert "<map[string]string>" in all_fields
    old = await kubectl("explain", "vm.spec.template.spec.domain.memory", "--api-version=kubevirt.io/v1alpha1")
    assert "What value counts" in " ".join(old.split())


async def test_an_object_is_changed_in_all_the_ways_there_are(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", given=MACHINE)
    edited = await kubectl("edit", "vm", "busybox", KUBE_EDITOR="sed -i s/128Mi/192Mi/")
    assert "edited" in edited
    assert "labeled" in await kubectl("label", "vm", "busybox", "a=b")
    assert "annotated" in await kubectl("annotate", "vm", "busybox", "c=d")
    await kubectl("patch", "vm", "busybox", "--type=merge", "-p", '{"metadata":{"labels":{"e":"f"}}}')
    patch = '[{"op":"replace","path":"/metadata/labels/a","value":"z"}]'
    await kubectl("patch", "vm", "busybox", "--type=json", "-p", patch)
    shown = json.loads(await kubectl("get", "vm", "busybox", "-o", "json"))
    assert shown["metadata"]["labels"] == {"a": "z", "e": "f"}
    assert shown["metadata"]["annotations"]["c"] == "d"
    assert shown["spec"]["template"]["spec"]["domain"]["memory"]["guest"] == "192Mi"
    shown["metadata"]["labels"] = {"g": "h"}
    assert "replaced" in await kubectl("replace", "-f", "-", given=json.dumps(shown))
    assert await kubectl("get", "vm", "-l", "g=h", "-o", "name") == "virtualmachine.kubevirt.io/busybox\n"


async def test_waiting_ends_when_the_condition_is_there_and_delete_waits_until_all_is_gone(kubectl: Kubectl) -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    await kubectl("create", "-f", "-", given=NODE)
    node = json.loads(await kubectl("get", "node", "one", "-o", "json"))
    raw = ("replace", "--raw", "/api/v1/nodes/one/status", "-f", "-")
    await kubectl(*raw, given=json.dumps({**node, "status": ready}))
    assert "condition met" in await kubectl("wait", "node/one", "--for=condition=Ready", "--timeout=10s")
    assert (await kubectl("get", "nodes")).split()[:5] == ["NAME", "READY", "AGE", "VERSION", "one"]
    assert 'node "one" deleted' in await kubectl("delete", "node", "one", "--timeout=10s")
    assert "NotFound" in await kubectl("get", "node", "one", fails=True)


async def test_the_kinds_that_are_sent_as_protobuf_are_created(kubectl: Kubectl) -> None:
    assert "namespace/x created" in await kubectl("create", "namespace", "x")
    assert "secret/s created" in await kubectl("create", "secret", "generic", "s", "-n", "x", "--from-literal=a=b")
    assert "configmap/c created" in await kubectl("create", "configmap", "c", "-n", "x", "--from-literal=a=b")
    assert await kubectl("get", "secret", "s", "-n", "x", "-o", "jsonpath={.data.a} {.type}") == "Yg== Opaque"
    assert await kubectl("get", "cm", "c", "-n", "x", "-o", "jsonpath={.data.a}") == "b"
    assert "deleted" in await kubectl("delete", "cm", "c", "-n", "x")
