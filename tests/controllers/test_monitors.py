"""Informers of everything that is served."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import pytest

from client.api import Client
from client.configuration import LiveConfiguration
from client.events import EventRecorder
from client.informer import Informer
from client.kinds import CONFIG_MAP, EVENT, KUBEVIRT, NODE, SECRET, Kind
from client.store import ObjectKey
from controllers import monitors as monitors_module
from controllers.context import Context
from controllers.garbagecollector.controller import GarbageCollector
from controllers.monitors import BY_OWNER, Item, Monitors, owner_uids
from kube.metadata import FOREGROUND_FINALIZER
from kube.timestamps import utc_now
from tests.client import standin as standin_module
from tests.client.standin import StandIn, failure, stand_in

Seen = asyncio.Queue[tuple[Kind, str]]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitors_module, "RESYNC_SECONDS", 0.05)
    monkeypatch.setattr(monitors_module, "RETRY_SECONDS", 0.05)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[StandIn, Client]]:
    async with stand_in(tmp_path) as (server, kubeconfig), Client.from_kubeconfig(kubeconfig, "tests") as client:
        yield server, client


class Refusing(dict[tuple[str, str], Any]):
    """Refuses all requests of its keys, as often as they come."""

    def pop(self, key: Any, default: Any = None) -> Any:
        return failure(500, "InternalError") if key in self else default


class Running:
    """Monitors at work, and the objects that they told of."""

    def __init__(self, client: Client, shared: dict[Kind, Informer] | None = None) -> None:
        self.monitors = Monitors(client, shared or {})
        self.seen: Seen = asyncio.Queue()
        self.monitors.add_handler(self._note)
        self._task = asyncio.create_task(self.monitors.run())

    def _note(self, kind: Kind, _: Any, new: Any) -> None:
        if new is not None:
            self.seen.put_nowait((kind, new["metadata"]["name"]))

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(10):
            await self.monitors.synced()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def next(self) -> tuple[Kind, str]:
        async with asyncio.timeout(10):
            return await self.seen.get()


def secret(name: str, **metadata: Any) -> dict[str, Any]:
    described = {"name": name, "namespace": "default", "labels": {"a": "b"}, **metadata}
    return {"metadata": described, "data": {"password": "aHVudGVyMg=="}}


async def test_objects_of_every_kind_are_known_by_what_identifies_them_alone(served: tuple[StandIn, Client]) -> None:
    server, client = served
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "n"}
    stored = await server.put("secrets", secret("s", ownerReferences=[owner]))
    async with Running(client) as running:
        assert await running.next() == (SECRET, "s")
        known = running.monitors.get(Item(SECRET, ObjectKey("default", "s")))
        kept = ("name", "namespace", "uid", "resourceVersion", "ownerReferences")
        metadata = {name: stored["metadata"][name] for name in kept}
        assert known == {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
        assert [kind for kind, _ in running.monitors.dependents("n")] == [SECRET]
        assert running.monitors.kind_of("v1", "Node") == NODE
        assert running.monitors.kind_of("v2", "Node") is None


async def test_events_are_not_followed(served: tuple[StandIn, Client]) -> None:
    async with Running(served[1]) as running:
        assert EVENT not in running.monitors.kinds
        assert EVENT in [each.kind for each in running.monitors.served]


async def test_an_informer_that_is_there_already_is_shared(served: tuple[StandIn, Client]) -> None:
    server, client = served
    shared = Informer(client, SECRET, indexers={BY_OWNER: owner_uids})
    await server.put("secrets", secret("s"))
    following = asyncio.create_task(shared.run())
    async with Running(client, {SECRET: shared}) as running:
        assert await running.next() == (SECRET, "s")
        whole = running.monitors.get(Item(SECRET, ObjectKey("default", "s")))
        assert whole is not None
        assert "data" in whole
    following.cancel()


async def test_a_kind_is_followed_while_it_is_served(
    served: tuple[StandIn, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = served
    monkeypatch.setattr(standin_module, "KINDS", (SECRET,))
    async with Running(client) as running:
        assert running.monitors.kinds == [SECRET]
        await server.put("configmaps", {"metadata": {"name": "c", "namespace": "default"}})
        monkeypatch.setattr(standin_module, "KINDS", (CONFIG_MAP,))
        assert await running.next() == (CONFIG_MAP, "c")
        assert running.monitors.kinds == [CONFIG_MAP]
        assert running.monitors.get(Item(SECRET, ObjectKey("default", "s"))) is None
        await server.put("secrets", secret("s"))
        await server.put("configmaps", {"metadata": {"name": "d", "namespace": "default"}})
        assert await running.next() == (CONFIG_MAP, "d")


async def test_a_discovery_that_fails_changes_nothing_and_is_tried_again(served: tuple[StandIn, Client]) -> None:
    server, client = served
    server.refuse["GET", "api"] = failure(503, "ServiceUnavailable")
    async with Running(client) as running:
        assert SECRET in running.monitors.kinds
        server.refuse["GET", "api"] = failure(503, "ServiceUnavailable")
        async with asyncio.timeout(10):
            while server.refuse:
                await server.put("secrets", secret("s"))
                await running.next()
        assert SECRET in running.monitors.kinds


async def test_one_kind_that_cannot_be_listed_holds_up_nobody_for_ever(
    served: tuple[StandIn, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = served
    monkeypatch.setattr(monitors_module, "SYNC_SECONDS", 0.2)
    server.refuse = Refusing({("GET", "secrets"): None})
    await server.put("configmaps", {"metadata": {"name": "c", "namespace": "default"}})
    async with Running(client) as running:
        assert running.monitors.unsynced == [SECRET]
        assert await running.next() == (CONFIG_MAP, "c")
        server.refuse = {}
        await server.put("secrets", secret("s"))
        assert await running.next() == (SECRET, "s")
        assert running.monitors.unsynced == []


async def test_an_owner_waits_for_dependents_of_a_kind_that_is_not_known(
    served: tuple[StandIn, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = served
    monkeypatch.setattr(monitors_module, "SYNC_SECONDS", 0.2)
    server.refuse = Refusing({("GET", "secrets"): None})
    metadata = {"name": "c", "namespace": "default", "finalizers": [FOREGROUND_FINALIZER]}
    await server.put("configmaps", {"metadata": {**metadata, "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    item = Item(CONFIG_MAP, ObjectKey("default", "c"))
    async with Running(client) as running:
        kubevirts, events = Informer(client, KUBEVIRT), EventRecorder(client, "test")
        context = Context(
            client=client, informers={}, configuration=LiveConfiguration(kubevirts), events=events, now=utc_now
        )
        collector = GarbageCollector(context, running.monitors)
        assert await running.next() == (CONFIG_MAP, "c")
        assert await collector.reconcile(item)
        assert server.get("configmaps", "c")
        server.refuse = {}
        await server.put("secrets", secret("s"))
        assert await running.next() == (SECRET, "s")
        assert await collector.reconcile(item) is None
        assert not server.get("configmaps", "c")
