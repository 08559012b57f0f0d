"""What is stored while it is measured: typical machines of 1.9 kB each."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from target import MACHINES, NAMESPACE, Target

AT_ONCE = 16
NAME = "@NAME@"
BYTES = 1900
"""How long a machine is as JSON; kept by an annotation."""


def machine(name: str) -> dict[str, Any]:
    """Return a typical machine, which nobody starts."""
    made: dict[str, Any] = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name, "labels": {"app": "web", "tier": "front"}, "annotations": {"note": ""}},
        "spec": {
            "runStrategy": "Halted",
            "template": {
                "metadata": {"labels": {"app": "web", "kubevirt.io/domain": "typical"}},
                "spec": {
                    "terminationGracePeriodSeconds": 60,
                    "evictionStrategy": "LiveMigrate",
                    "domain": {
                        "cpu": {"sockets": 2, "cores": 2, "threads": 1, "model": "host-model"},
                        "memory": {"guest": "4Gi"},
                        "resources": {"requests": {"memory": "4Gi", "cpu": "500m"}},
                        "machine": {"type": "q35"},
                        "features": {"acpi": {"enabled": True}},
                        "devices": {
                            "rng": {},
                            "disks": [
                                {"name": "root", "bootOrder": 1, "disk": {"bus": "virtio"}},
                                {"name": "seed", "disk": {"bus": "virtio"}},
                            ],
                            "interfaces": [{"name": "default", "model": "virtio", "masquerade": {}}],
                        },
                    },
                    "networks": [{"name": "default", "pod": {}}],
                    "volumes": [
                        {"name": "root", "containerDisk": {"image": "quay.io/containerdisks/fedora:42"}},
                        {"name": "seed", "cloudInitNoCloud": {"userData": "#cloud-config\nuser: fedora\n"}},
                    ],
                },
            },
        },
    }
    made["metadata"]["annotations"]["note"] = "x" * (BYTES - len(orjson.dumps(made)))
    return made


def stored_name(number: int) -> str:
    """Return what a stored machine is called, for the loads, too."""
    return f"vm-{number:05d}"


def write_template(directory: Path) -> Path:
    """Write the machine of the loads that create some."""
    path = directory / "machine.json"
    path.write_bytes(orjson.dumps(machine(NAME)))
    return path


async def fill(target: Target, begin: int, end: int, make: Callable[[str], dict[str, Any]] = machine) -> None:
    """Store the machines number ``begin`` to ``end``, which is not one of them. Raises ClientResponseError.

    ``make`` returns one, when it is told its name.
    """
    numbers = iter(range(begin, end))
    headers = {"Authorization": f"Bearer {target.token}", "Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(ssl=target.context(), limit=AT_ONCE)
    async with aiohttp.ClientSession(target.url, headers=headers, connector=connector) as session:

        async def work() -> None:
            for number in numbers:
                body = orjson.dumps(make(stored_name(number)))
                async with session.post(MACHINES, data=body) as answer:
                    if answer.status != 409:  # stored by an earlier run
                        answer.raise_for_status()

        namespace = orjson.dumps({"metadata": {"name": NAMESPACE}})
        async with session.post("/api/v1/namespaces", data=namespace) as answer:
            if answer.status != 409:
                answer.raise_for_status()
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())
