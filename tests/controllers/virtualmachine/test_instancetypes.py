"""What machines are made of, while the news of it is still under way."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from client.api import Client
from client.configuration import LiveConfiguration
from client.events import EventRecorder
from client.informer import Informer
from client.kinds import CONTROLLER_REVISION, INSTANCETYPE_KINDS, KUBEVIRT
from controllers.context import Context
from controllers.virtualmachine.instance import build_instance
from controllers.virtualmachine.instancetypes import InstanceTypes
from kube.timestamps import utc_now
from tests.controllers.objects import machine
from tests.server import running_server

Object = dict[str, Any]
SIZE = INSTANCETYPE_KINDS[0]
SECONDS = 10


async def until(informer: Informer, happened: Callable[[], bool]) -> None:
    """Wait until what an informer knows is so."""
    changed = asyncio.Event()
    informer.add_handler(lambda _old, _new: changed.set())
    async with asyncio.timeout(SECONDS):
        while not happened():
            changed.clear()
            await changed.wait()


def size(memory: str) -> Object:
    about = {"apiVersion": SIZE.api_version, "kind": SIZE.kind, "metadata": {"name": "small", "namespace": "default"}}
    return {**about, "spec": {"cpu": {"guest": 1}, "memory": {"guest": memory}}}


def small_machine() -> Object:
    found = machine()
    found["spec"]["instancetype"] = {"name": "small", "kind": SIZE.kind}
    found["spec"]["template"]["spec"]["domain"] = {"devices": {}}
    return found


async def test_an_instance_is_made_of_the_revision_that_was_just_kept_whatever_changes_meanwhile(
    tmp_path: Path,
) -> None:
    async with (
        running_server(tmp_path) as server,
        Client.from_kubeconfig(server.kubeconfig("admin"), "tests") as client,
    ):
        informers = {kind: Informer(client, kind) for kind in (KUBEVIRT, CONTROLLER_REVISION, *INSTANCETYPE_KINDS)}
        sizes, revisions = informers[SIZE], informers[CONTROLLER_REVISION]
        types = InstanceTypes(
            Context(
                client=client,
                informers=informers,
                configuration=LiveConfiguration(informers[KUBEVIRT]),
                events=EventRecorder(client, "tests"),
                now=utc_now,
            )
        )
        following = [asyncio.create_task(sizes.run())]
        await client.create(SIZE, size("128Mi"))
        await until(sizes, lambda: sizes.get("small", "default") is not None)
        wanted = small_machine()
        references = await types.references(wanted)
        wanted["status"] = references
        await client.patch(SIZE, "small", "default", {"spec": {"memory": {"guest": "256Mi"}}})
        await until(sizes, lambda: (sizes.get("small", "default") or {})["spec"]["memory"]["guest"] == "256Mi")

        made = build_instance(wanted, paused=False)
        types.apply(wanted, made)
        assert made["spec"]["domain"]["memory"]["guest"] == "128Mi"

        # What the informer knows counts again when it has caught up.
        name = references["instancetypeRef"]["controllerRevisionRef"]["name"]
        following.append(asyncio.create_task(revisions.run()))
        await until(revisions, lambda: revisions.get(name, "default") is not None)
        await client.delete(CONTROLLER_REVISION, name, "default")
        await until(revisions, lambda: revisions.get(name, "default") is None)
        assert types.one(CONTROLLER_REVISION.qualified, "default", name) is None
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
