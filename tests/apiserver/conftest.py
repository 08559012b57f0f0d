"""A whole server that just started from nothing, and the real kubectl to drive it."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.server import running_server

Kubectl = Callable[..., Awaitable[str]]


@pytest.fixture
async def kubectl_as(tmp_path: Path) -> AsyncIterator[Callable[[str], Kubectl]]:
    """Gives a kubectl with the certificate of ``admin``, ``controllers`` or ``agent`` (of the node ``one``)."""
    async with running_server(tmp_path) as server:
        yield lambda identity: _kubectl(server.kubeconfig(identity))


@pytest.fixture
def kubectl(kubectl_as: Callable[[str], Kubectl]) -> Kubectl:
    """Runs kubectl as the administrator."""
    return kubectl_as("admin")


def _kubectl(kubeconfig: Path) -> Kubectl:
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(kubeconfig.parent)}

    async def call(*arguments: str, given: str = "", fails: bool = False) -> str:
        process = await asyncio.create_subprocess_exec(
            "kubectl",
            *arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        output, _ = await asyncio.wait_for(process.communicate(given.encode()), 30)
        assert bool(process.returncode) is fails, output.decode()
        return output.decode()

    return call
