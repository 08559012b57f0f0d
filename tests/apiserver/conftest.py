"""A whole server that just started from nothing, and the real kubectl to drive it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver import debian
from tests.kubectl import Kubectl, kubectl_of
from tests.server import Server, running_server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A running server."""
    async with running_server(tmp_path) as running:
        yield running


@pytest.fixture
def kubectl_as(server: Server) -> Callable[..., Kubectl]:
    """Gives a kubectl with the certificate of ``admin``, ``controllers`` or ``agent`` (of the node ``one``)."""
    return lambda identity, program="kubectl": kubectl_of(server.kubeconfig(identity), program)


@pytest.fixture
def kubectl_with() -> Callable[..., Kubectl]:
    """Gives a kubectl with a kubeconfig of one's own."""
    return kubectl_of


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
