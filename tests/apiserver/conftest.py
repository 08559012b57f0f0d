"""A whole server that just started from nothing, and the real kubectl to drive it."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver import debian
from tests.server import Server, running_server

Kubectl = Callable[..., Awaitable[str]]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A running server."""
    async with running_server(tmp_path) as running:
        yield running


@pytest.fixture
def kubectl_as(server: Server) -> Callable[..., Kubectl]:
    """Gives a kubectl with the certificate of ``admin``, ``controllers`` or ``agent`` (of the node ``one``)."""
    return lambda identity, program="kubectl": _kubectl(server.kubeconfig(identity), program)


@pytest.fixture
def kubectl_with() -> Callable[..., Kubectl]:
    """Gives a kubectl with a kubeconfig of one's own."""
    return lambda kubeconfig, program="kubectl": _kubectl(kubeconfig, program)


@pytest.fixture
def kubectl(kubectl_as: Callable[..., Kubectl]) -> Kubectl:
    """Runs kubectl as the administrator."""
    return kubectl_as("admin")


@pytest.fixture(scope="session")
def debians_program() -> str:
    return debian.kubectl()


@pytest.fixture
def write_status(kubectl: Kubectl) -> Callable[..., Awaitable[str]]:
    """Changes fields of a VMI's status with the kubectl of somebody; old ones have no --subresource."""

    async def write(writer: Kubectl, name: str, status: dict[str, Any], *, fails: bool = False) -> str:
        instance = json.loads(await kubectl("get", "vmi", name, "-o", "json"))
        instance["status"] = {**instance.get("status", {}), **status}
        path = f"/apis/kubevirt.io/v1/namespaces/default/virtualmachineinstances/{name}/status"
        return await writer("replace", "--raw", path, "-f", "-", given=json.dumps(instance), fails=fails)

    return write


def _kubectl(kubeconfig: Path, program: str) -> Kubectl:
    own = {"KUBECONFIG": str(kubeconfig), "HOME": str(kubeconfig.parent)}

    async def call(*arguments: str, given: str = "", fails: bool = False, **more: str) -> str:
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **own, **more},
        )
        output, _ = await asyncio.wait_for(process.communicate(given.encode()), 30)
        assert bool(process.returncode) is fails, output.decode()
        return output.decode()

    return call
