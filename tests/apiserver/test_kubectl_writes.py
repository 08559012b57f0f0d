"""What kubectl does to change objects, against a real server."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson
import pytest

Kubectl = Callable[..., Awaitable[str]]
MACHINE = """
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {name: vm, labels: {team: a}}
spec:
  runStrategy: Halted
  template:
    spec:
      domain: {devices: {}, memory: {guest: 64Mi}}
"""
CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: config, labels: {team: a}}
data: {one: "1", two: "2"}
"""
WHICH = pytest.mark.parametrize(("what", "manifest"), [("configmap/config", CONFIG), ("vm/vm", MACHINE)])


@WHICH
async def test_server_side_apply_creates_changes_and_takes_back(kubectl: Kubectl, what: str, manifest: str) -> None:
    apply = ("apply", "--server-side", "-f", "-")
    assert "serverside-applied" in await kubectl(*apply, given=manifest)
    version = await kubectl("get", what, "-o", "jsonpath={.metadata.resourceVersion}")
    await kubectl(*apply, given=manifest)
    assert await kubectl("get", what, "-o", "jsonpath={.metadata.resourceVersion}") == version
    await kubectl(*apply, given=manifest.replace("team: a", "crew: b"))
    labels = orjson.loads(await kubectl("get", what, "-o", "jsonpath={.metadata.labels}"))
    assert labels == {"crew": "b"}


@WHICH
async def test_debians_kubectl_applies_on_the_servers_side_too(
    kubectl_as: Callable[..., Kubectl], debians_program: str, what: str, manifest: str
) -> None:
    kubectl = kubectl_as("admin", debians_program)
    await kubectl("apply", "--server-side", "-f", "-", given=manifest)
    await kubectl("apply", "--server-side", "-f", "-", given=manifest.replace("team: a", "crew: b"))
    assert orjson.loads(await kubectl("get", what, "-o", "jsonpath={.metadata.labels}")) == {"crew": "b"}
    await kubectl("label", "--overwrite", what, "crew=c")
    told = await kubectl("apply", "--server-side", "-f", "-", given=manifest.replace("team: a", "crew: b"), fails=True)
    assert "conflict" in told


@WHICH
async def test_a_conflict_is_explained_and_can_be_forced(kubectl: Kubectl, what: str, manifest: str) -> None:
    await kubectl("apply", "--server-side", "-f", "-", given=manifest)
    await kubectl("label", "--overwrite", what, "team=b")
    told = await kubectl("apply", "--server-side", "-f", "-", given=manifest, fails=True)
    assert 'conflict with "kubectl-label"' in told
    assert ".metadata.labels.team" in told
    await kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=manifest)
    managers = await kubectl("get", what, "-o", "jsonpath={.metadata.managedFields[*].manager}")
    assert "kubectl" in managers.split()
    assert "kubectl-label" not in managers


@WHICH
async def test_diff_shows_what_a_server_side_apply_would_change(kubectl: Kubectl, what: str, manifest: str) -> None:
    await kubectl("apply", "--server-side", "-f", "-", given=manifest)
    assert await kubectl("diff", "--server-side", "-f", "-", given=manifest) == ""
    shown = await kubectl("diff", "--server-side", "-f", "-", given=manifest.replace("team: a", "team: b"), fails=True)
    assert "-    team: a\n+    team: b" in shown
    assert await kubectl("get", what, "-o", "jsonpath={.metadata.labels.team}") == "a"


@WHICH
async def test_client_side_apply_can_become_server_side_apply(kubectl: Kubectl, what: str, manifest: str) -> None:
    await kubectl("apply", "-f", "-", given=manifest)
    await kubectl("apply", "--server-side", "-f", "-", given=manifest.replace("team: a", "team: b"))
    managers = await kubectl("get", what, "-o", "jsonpath={.metadata.managedFields[*].manager}")
    client = orjson.loads(await kubectl("version", "--client", "-o", "json"))["clientVersion"]
    gives_up_what_it_applied = int(client["minor"].rstrip("+")) >= 26
    assert ("kubectl-client-side-apply" in managers) is not gives_up_what_it_applied
    await kubectl("apply", "--server-side", "-f", "-", given=manifest.replace("team: a", "crew: c"))
    labels = orjson.loads(await kubectl("get", what, "-o", "jsonpath={.metadata.labels}"))
    assert labels == {"crew": "c"}


@WHICH
async def test_client_side_apply_changes_and_removes(kubectl: Kubectl, what: str, manifest: str) -> None:
    assert "created" in await kubectl("apply", "-f", "-", given=manifest)
    assert "unchanged" in await kubectl("apply", "-f", "-", given=manifest)
    assert "configured" in await kubectl("apply", "-f", "-", given=manifest.replace("team: a", "crew: b"))
    assert orjson.loads(await kubectl("get", what, "-o", "jsonpath={.metadata.labels}")) == {"crew": "b"}


@WHICH
async def test_label_annotate_and_replace(kubectl: Kubectl, what: str, manifest: str) -> None:
    await kubectl("create", "-f", "-", given=manifest)
    await kubectl("label", what, "x=1")
    await kubectl("label", what, "team-")
    await kubectl("annotate", what, "note=hello")
    assert orjson.loads(await kubectl("get", what, "-o", "jsonpath={.metadata.labels}")) == {"x": "1"}
    await kubectl("replace", "-f", "-", given=manifest)
    assert orjson.loads(await kubectl("get", what, "-o", "jsonpath={.metadata.labels}")) == {"team": "a"}


@pytest.mark.parametrize(
    ("how", "patch", "result"),
    [
        ("strategic", '{"data":{"one":"9","two":null}}', {"one": "9"}),
        ("merge", '{"data":{"one":"9","two":null}}', {"one": "9"}),
        ("json", '[{"op":"remove","path":"/data/two"}]', {"one": "1"}),
    ],
)
async def test_every_type_of_patch_works(kubectl: Kubectl, how: str, patch: str, result: dict[str, str]) -> None:
    await kubectl("create", "-f", "-", given=CONFIG)
    await kubectl("patch", "configmap/config", f"--type={how}", "-p", patch)
    assert orjson.loads(await kubectl("get", "configmap/config", "-o", "jsonpath={.data}")) == result


@WHICH
async def test_edit_sends_what_the_editor_changed(kubectl: Kubectl, what: str, manifest: str, tmp_path: Path) -> None:
    await kubectl("create", "-f", "-", given=manifest)
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/team: a/team: edited/' \"$1\"\n")
    editor.chmod(0o755)
    assert "edited" in await kubectl("edit", what, KUBE_EDITOR=str(editor))
    assert await kubectl("get", what, "-o", "jsonpath={.metadata.labels.team}") == "edited"
