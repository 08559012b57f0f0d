"""An installation whose processes are run one by one, so that a test can kill what it likes, and guests that echo."""

import asyncio
import multiprocessing
import os
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

from certs.bootstrap import Pki
from certs.purposes import LOOPBACK
from client.api import Client
from client.kinds import VIRTUAL_MACHINE_INSTANCE
from kube.objects import Object
from tests.echo_guest import write_echo_disk
from virtplane.home import Home, server_url
from virtplane.roles import run_role
from virtplane.settings import Settings
from virtplane.supervision.child import Child, Program
from virtplane.supervision.processes import virtplane

NAMESPACE = "default"
GUEST_SECONDS = 60
_LOADED = multiprocessing.get_context("forkserver")
"""Starts processes that have loaded the controllers' code already: to do so again and again takes the most time."""
_LOADED.set_forkserver_preload(["virtplane.roles", "controllers.manager"])


class Installation:
    """A server, its controllers and an agent."""

    def __init__(self, directory: Path, libvirt_uri: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._disks = directory
        self._settings = Settings(
            home=str(directory / "home"),
            port=port,
            node_name="one",
            libvirt_uri=libvirt_uri,
            host_disk_directories=(str(directory),),
            network="user",
        )
        self.home = Home.of(self._settings)
        self.pki = Pki(self.home.pki)
        self.url = server_url(self._settings)
        self._controllers: BaseProcess | None = None

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run everything for as long as the context lasts."""
        self.home.make()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._running("server"))
            self.start_controllers()
            stack.callback(self.kill_controllers)
            await stack.enter_async_context(self._running("agent"))
            yield

    def client(self, name: str) -> AbstractAsyncContextManager[Client]:
        """A client that may do everything and goes along with its certificate."""
        return Client.from_kubeconfig(self.home.kubeconfig_of(LOOPBACK.file), name)

    def start_controllers(self) -> None:
        """Start the controllers, and do not wait until they are ready."""
        how = (self._environment(), self.home.log_of("controllers"))
        self._controllers = _LOADED.Process(target=_control, args=how, daemon=True)
        self._controllers.start()

    def kill_controllers(self) -> None:
        """Kill the controllers in the midst of whatever they do, with SIGKILL."""
        if self._controllers is not None:
            self._controllers.kill()
            self._controllers.join()
            self._controllers = None

    @asynccontextmanager
    async def guests(self, client: Client, *names: str) -> AsyncGenerator[None]:
        """Let instances run that send back what their serial consoles are sent, for as long as the context lasts."""
        for name in names:
            await client.create(VIRTUAL_MACHINE_INSTANCE, self._instance(name))
        await _until(client, lambda found: all(_phase(each) == "Running" for each in found))
        yield
        for name in names:
            await client.delete(VIRTUAL_MACHINE_INSTANCE, name, NAMESPACE)
        await _until(client, lambda found: not found)

    def _instance(self, name: str) -> Object:
        disk = self._disks / f"{name}.img"
        write_echo_disk(disk)
        spec: Object = {
            "terminationGracePeriodSeconds": 0,
            "domain": {
                "memory": {"guest": "32Mi"},
                "devices": {"disks": [{"name": "echo", "disk": {"bus": "virtio"}}], "autoattachPodInterface": False},
            },
            "volumes": [{"name": "echo", "hostDisk": {"path": str(disk), "type": "Disk"}}],
        }
        return {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}

    @asynccontextmanager
    async def _running(self, role: str) -> AsyncGenerator[None]:
        child = await Child.spawn(self._program(role))
        try:
            await child.until_ready()
            yield
        finally:
            await child.stop()
            child.close()

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self._settings.environment()}

    def _program(self, role: str) -> Program:
        log = self.home.log_of(role)
        return Program(name=role, command=virtplane(role), environment=self._environment(), log=log)


def _control(environment: Mapping[str, str], log: Path) -> None:
    """Be the process of `virtplane controllers`."""
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    sys.exit(run_role("controllers", Settings.load({}, environment)))


async def _until(client: Client, holds: Callable[[list[Object]], bool]) -> None:
    """Wait until something holds of all instances."""
    async with asyncio.timeout(GUEST_SECONDS):
        while not holds((await client.list(VIRTUAL_MACHINE_INSTANCE, NAMESPACE))["items"]):  # noqa: ASYNC110 - of many
            await asyncio.sleep(0.1)


def _phase(instance: Object) -> str:
    return instance.get("status", {}).get("phase", "")
