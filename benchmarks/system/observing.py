"""Watching machines come up, as any client would: through the API."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
from target import MACHINES, Target

INSTANCES = MACHINES.replace("virtualmachines", "virtualmachineinstances")
LONGEST_LINE = 2**20


class Observer:
    """Notes when each machine was asked for, and when its guest ran and the machine said so."""

    def __init__(self) -> None:
        self.asked: dict[str, float] = {}
        self.running: dict[str, float] = {}
        self.told: dict[str, float] = {}
        self._before: dict[str, str] = {}
        self._instances: dict[str, str] = {}
        self._changed = asyncio.Event()

    def again(self) -> None:
        """Forget what was seen, and from now on look for other instances than those there are."""
        self._before = dict(self._instances)
        for each in (self.asked, self.running, self.told):
            each.clear()

    async def until_all_run(self, count: int, seconds: float) -> None:
        """Wait until so many machines say that they run. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while len(self.told) < count or len(self.running) < count:
                self._changed.clear()
                await self._changed.wait()

    def machine(self, kind: str, machine: dict[str, Any]) -> None:
        """Note what a watch of machines told."""
        name, status = machine["metadata"]["name"], machine.get("status", {})
        if kind == "ADDED":
            self.asked.setdefault(name, time.monotonic())
        if name in self.running and status.get("printableStatus") == "Running" and status.get("ready"):
            self._note(self.told, name)

    def instance(self, kind: str, instance: dict[str, Any]) -> None:
        """Note what a watch of instances told."""
        metadata = instance["metadata"]
        name = metadata["name"]
        if kind == "DELETED":
            return
        if metadata["uid"] == self._before.get(name):
            self.asked.setdefault(name, time.monotonic())  # it is to go: the machine was asked to start again
            return
        self._instances[name] = metadata["uid"]
        if instance.get("status", {}).get("phase") == "Running":
            self._note(self.running, name)

    def _note(self, where: dict[str, float], name: str) -> None:
        where.setdefault(name, time.monotonic())
        self._changed.set()


@asynccontextmanager
async def observing(target: Target) -> AsyncGenerator[Observer]:
    """Watch machines and instances for as long as the context lasts."""
    observer = Observer()
    headers = {"Authorization": f"Bearer {target.token}"}
    connector = aiohttp.TCPConnector(ssl=target.context())
    async with (
        aiohttp.ClientSession(
            target.url,
            headers=headers,
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None),
            read_bufsize=LONGEST_LINE,
        ) as session,
        asyncio.TaskGroup() as group,
    ):
        watches = [
            group.create_task(_watch(session, path, note))
            for path, note in ((MACHINES, observer.machine), (INSTANCES, observer.instance))
        ]
        yield observer
        for each in watches:
            each.cancel()


async def _watch(session: aiohttp.ClientSession, path: str, note: Callable[[str, dict[str, Any]], None]) -> None:
    async with session.get(path, params={"watch": "true", "timeoutSeconds": "3600"}) as answer:
        answer.raise_for_status()
        async for line in answer.content:
            event = orjson.loads(line)
            note(event["type"], event["object"])
