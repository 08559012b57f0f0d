"""``kubectl delete`` of both supported versions, with the real server and the real controllers."""

import asyncio
import json
import os
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.apiserver import debian
from tests.conformance.api import CONFIG_MAP, Api
from tests.conformance.databases import sqlite_only
from tests.server import Server

database_url = sqlite_only
Kubectl = Callable[..., Awaitable[str]]
PROGRAMS = ("kubectl", debian.PACKAGE)


@pytest.fixture(params=PROGRAMS, scope="session")
def program(request: pytest.FixtureRequest) -> str:
    """The installed kubectl, and Debian's."""
    return debian.kubectl() if request.param == debian.PACKAGE else request.param


@pytest.fixture
def kubectl(server: Server, program: str, controllers: None) -> Kubectl:
    """Runs kubectl as the administrator."""
    home = str(server.directory)
    environment = {**os.environ, "KUBECONFIG": str(server.kubeconfig("admin")), "HOME": home}

    async def call(*arguments: str, given: Any = None, fails: bool = False) -> str:
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        async with asyncio.timeout(60):
            output, _ = await process.communicate(json.dumps(given).encode())
        assert bool(process.returncode) is fails, output.decode()
        return output.decode()

    return call


async def family(kubectl: Kubectl, *, finalizers: list[str] | None = None) -> None:
    """Create an owner and a dependent that blocks it."""
    await kubectl("create", "configmap", "owner")
    uid = await kubectl("get", "configmap", "owner", "-o", "jsonpath={.metadata.uid}")
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid, "blockOwnerDeletion": True}
    metadata = {"name": "dependent", "ownerReferences": [owner], "finalizers": finalizers or []}
    given = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    await kubectl("create", "-f", "-", given=given)


async def test_background(kubectl: Kubectl, api: Api) -> None:
    await family(kubectl)
    assert 'configmap "owner" deleted' in await kubectl("delete", "configmap", "owner", "--cascade=background")
    await api.until(CONFIG_MAP, lambda found: "dependent" not in found)


async def test_orphan(kubectl: Kubectl) -> None:
    await family(kubectl)
    await kubectl("delete", "configmap", "owner", "--cascade=orphan", "--timeout=20s")
    owners = await kubectl("get", "configmap", "dependent", "-o", "jsonpath={.metadata.ownerReferences}")
    assert owners == ""


async def test_foreground_waits(kubectl: Kubectl) -> None:
    await family(kubectl)
    await kubectl("delete", "configmap", "owner", "--cascade=foreground", "--timeout=20s")
    assert "NotFound" in await kubectl("get", "configmap", "dependent", fails=True)


async def test_waiting_can_be_left_off_or_end_in_vain(kubectl: Kubectl) -> None:
    await family(kubectl, finalizers=["test.example/held"])
    await kubectl("delete", "configmap", "dependent", "--wait=false")
    assert "timed out" in await kubectl("delete", "configmap", "dependent", "--timeout=1s", fails=True)
    await kubectl("patch", "configmap", "dependent", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    assert "NotFound" in await kubectl("get", "configmap", "dependent", fails=True)


async def test_dry_runs_and_forced_deletions(kubectl: Kubectl) -> None:
    await family(kubectl)
    assert "(server dry run)" in await kubectl("delete", "configmap", "owner", "--dry-run=server")
    await kubectl("get", "configmap", "owner")
    await kubectl("delete", "configmap", "owner", "--force", "--grace-period=0")
    assert "NotFound" in await kubectl("get", "configmap", "owner", fails=True)


async def test_a_namespace_with_all_that_is_in_it(kubectl: Kubectl) -> None:
    await kubectl("create", "namespace", "room")
    await kubectl("create", "secret", "generic", "inside", "-n", "room", "--from-literal=a=b")
    await kubectl("delete", "namespace", "room", "--timeout=20s")
    assert "NotFound" in await kubectl("get", "namespace", "room", fails=True)
    assert "may not be deleted" in await kubectl("delete", "namespace", "default", fails=True)


async def test_a_namespace_that_is_stuck_can_be_forced(kubectl: Kubectl) -> None:
    await kubectl("create", "namespace", "room")
    metadata = {"name": "inside", "namespace": "room", "finalizers": ["test.example/held"]}
    await kubectl("create", "-f", "-", given={"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    await kubectl("delete", "namespace", "room", "--wait=false")
    stuck = json.loads(await kubectl("get", "namespace", "room", "-o", "json"))
    del stuck["metadata"]["resourceVersion"]
    stuck["spec"] = {"finalizers": []}
    await kubectl("replace", "--raw", "/api/v1/namespaces/room/finalize", "-f", "-", given=stuck)
    assert "NotFound" in await kubectl("get", "namespace", "room", fails=True)


async def test_everything_of_a_kind_and_by_label(kubectl: Kubectl) -> None:
    for name in ("a", "b", "c"):
        await kubectl("create", "secret", "generic", name)
    await kubectl("label", "secret", "a", "b", "team=red")
    assert (await kubectl("delete", "secret", "-l", "team=red")).count("deleted") == 2
    assert '"c" deleted' in await kubectl("delete", "secret", "--all")
