"""An operator that kopf runs: finalizers, status and annotations by patches, events, and a second start."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conformance.api import Api, Kind, Object, connected
from tests.server import Server, running_server

OPERATOR = Path(__file__).with_name("machine_operator.py")
MACHINE = yaml.safe_load((Path(__file__).parents[2] / "examples/vm-busybox.yaml").read_text())
VIRTUAL_MACHINE = Kind("VirtualMachine", "kubevirt.io", "v1", "virtualmachines", "default")
EVENT = Kind("Event", "", "v1", "events", "default")
FINALIZER = "operator.test/finalizer"
SECONDS = 20


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running_server(tmp_path) as running:
        yield running


@pytest.fixture
async def api(server: Server) -> AsyncIterator[Api]:
    async with connected(server) as session:
        yield Api(session)


@contextlib.asynccontextmanager
async def operator(server: Server) -> AsyncIterator[None]:
    """Run the operator as one of the system, which may write status, and stop it as its supervisor would."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kopf", "run", "--standalone", "--all-namespaces", str(OPERATOR)),
        env={**os.environ, "KUBECONFIG": str(server.kubeconfig("controllers")), "HOME": str(server.directory)},
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(SECONDS):
            assert await process.wait() == 0


async def until(api: Api, holds: Callable[[Object], Any]) -> Object:
    """Wait until something is true of the machine."""
    found = await api.until(VIRTUAL_MACHINE, lambda machines: "busybox" in machines and holds(machines["busybox"]))
    return found["busybox"]


async def create(api: Api) -> Object:
    made = await api.call("POST", VIRTUAL_MACHINE.path, MACHINE)
    assert made.code == 201, made.body
    return made.body


async def until_event(api: Api, reason: str) -> Object:
    found = await api.until(EVENT, lambda events: any(each["reason"] == reason for each in events.values()))
    return next(each for each in found.values() if each["reason"] == reason)


def change(machine: Object) -> str | None:
    return machine["metadata"].get("annotations", {}).get("operator.test/change")


async def test_an_operator_follows_a_machine_from_create_to_delete(server: Server, api: Api) -> None:
    async with operator(server):
        made = await create(api)
        seen = await until(api, lambda machine: machine["metadata"].get("labels", {}).get("operator") == "knows")
        assert seen["metadata"]["finalizers"] == [FINALIZER]
        seen = await until(api, lambda machine: machine.get("status", {}).get("printableStatus") == "Starting")
        assert seen["metadata"]["generation"] == made["metadata"]["generation"]
        involved = (await until_event(api, "Seen"))["involvedObject"]
        assert (involved["kind"], involved["uid"]) == ("VirtualMachine", made["metadata"]["uid"])
        await api.patch(VIRTUAL_MACHINE, "busybox", {"spec": {"runStrategy": "Halted"}})
        seen = await until(api, lambda machine: change(machine) == "Always to Halted")
        await until(api, lambda machine: machine["status"]["printableStatus"] == "Stopping")
        await api.delete(VIRTUAL_MACHINE, "busybox")
        await api.until(VIRTUAL_MACHINE, lambda machines: not machines)
        await until_event(api, "Gone")


async def test_an_operator_catches_up_with_what_it_missed(server: Server, api: Api) -> None:
    async with operator(server):
        await create(api)
        await until(api, lambda machine: machine["metadata"].get("labels", {}).get("operator") == "knows")
    await api.patch(VIRTUAL_MACHINE, "busybox", {"spec": {"runStrategy": "Manual"}})
    held = await api.delete(VIRTUAL_MACHINE, "busybox")
    assert held.body["metadata"]["finalizers"] == [FINALIZER]
    async with operator(server):
        await api.until(VIRTUAL_MACHINE, lambda machines: not machines)
