"""A whole server that just started from nothing, and the real kubectl to drive it."""

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from apiserver.server import Options, run
from apiserver.storage.migrate import migrate
from certs.bootstrap import ensure
from certs.kubeconfig import write_kubeconfig

Kubectl = Callable[..., Awaitable[str]]


@pytest.fixture
async def kubectl_as(tmp_path: Path) -> AsyncIterator[Callable[[str], Kubectl]]:
    """Gives a kubectl with the certificate of ``admin``, ``controllers`` or ``agent`` (of the node ``one``)."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    pki = ensure(tmp_path / "pki", ["127.0.0.1"], "one")
    url = f"sqlite:///{tmp_path}/log.db"
    await migrate(url)
    options = Options(
        address="127.0.0.1",
        port=port,
        database_url=url,
        certificate=pki.certificate("server"),
        key=pki.key("server"),
        client_ca=pki.authority,
    )

    def make(identity: str) -> Kubectl:
        kubeconfig = tmp_path / f"{identity}.kubeconfig"
        write_kubeconfig(
            kubeconfig,
            server=f"https://127.0.0.1:{port}",
            authority=pki.authority,
            certificate=pki.certificate(identity),
            key=pki.key(identity),
            user=identity,
        )
        return _kubectl(kubeconfig)

    stop = asyncio.Event()
    server = asyncio.create_task(run(options, stop))
    try:
        await _listening(port, server)
        yield make
    finally:
        stop.set()
        await server


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


async def _listening(port: int, server: "asyncio.Task[None]") -> None:
    async with asyncio.timeout(20):
        while not server.done():
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            await writer.wait_closed()
            return
    await server
