"""Informers of everything: one for each kind that is served, as discovery tells, known by its metadata.

The garbage collector and the namespace controller look after kinds that nobody here has heard of. Where another
controller has an informer of a kind, it is shared. Source: ``k8s.io/kubernetes/pkg/controller/garbagecollector``,
``GraphBuilder.syncMonitors``.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import structlog

from client.api import Client
from client.discovery import Served, discover
from client.errors import ApiError
from client.informer import Informer
from client.kinds import EVENT, Kind
from client.store import ObjectKey
from kube.objects import Object

BY_OWNER = "owner"
"""The index of objects by the uids of their owners."""
RESYNC_SECONDS = 30.0
RETRY_SECONDS = 1.0
SYNC_SECONDS = 30.0
"""How long all objects are waited for (upstream's ``initialSyncTimeout``)."""
NEEDED = frozenset({"delete", "list", "watch"})
"""What must be possible with a kind for its objects to be collected."""

log = structlog.get_logger(__name__)


class Item(NamedTuple):
    """Names one object of any kind."""

    kind: Kind
    key: ObjectKey


Handler = Callable[[Kind, Object | None, Object | None], None]
"""Told the kind and what :data:`client.informer.Handler` is told."""


def owner_uids(obj: Object) -> Iterable[str]:
    """Index an object by its owners."""
    return [owner["uid"] for owner in obj["metadata"].get("ownerReferences", ())]


class Monitors:
    """The informers, and what is served."""

    def __init__(self, client: Client, shared: Mapping[Kind, Informer]) -> None:
        """``shared`` informers are run by somebody else and have the index BY_OWNER."""
        self._client = client
        self._shared = shared
        self._served: list[Served] = []
        self._kinds: dict[tuple[str, str], Kind] = {}
        self._informers: dict[Kind, Informer] = {}
        self._running: dict[Kind, asyncio.Task[None]] = {}
        self._discovered = asyncio.Event()
        self._handlers: list[Handler] = []

    @property
    def served(self) -> list[Served]:
        """Every kind that is served, as of the last discovery."""
        return self._served

    @property
    def kinds(self) -> list[Kind]:
        """Every kind whose objects are known here."""
        return list(self._informers)

    def add_handler(self, handler: Handler) -> None:
        """Tell ``handler`` of every change of an object; to be called before :meth:`run`."""
        self._handlers.append(handler)

    @property
    def unsynced(self) -> list[Kind]:
        """Every kind whose objects are not known yet: nobody may conclude that there are none."""
        return [kind for kind, informer in self._informers.items() if not informer.has_synced]

    async def synced(self) -> None:
        """Wait until all objects of all kinds are known, but not for ever for a kind that cannot be listed."""
        await self._discovered.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(SYNC_SECONDS):
                for informer in list(self._informers.values()):
                    await informer.synced.wait()
        if unknown := self.unsynced:
            log.warning("going on without knowing all objects", unknown=[kind.kind for kind in unknown])

    async def run(self) -> None:
        """Follow what is served until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    self._follow(group, await discover(self._client))
                except ApiError as error:
                    log.warning("cannot discover what is served, will retry", error=str(error))
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    self._discovered.set()
                    await asyncio.sleep(RESYNC_SECONDS)

    def kind_of(self, api_version: str, kind: str) -> Kind | None:
        """Return the kind of that name in the version that the server prefers, or None when that is not served."""
        return self._kinds.get((api_version, kind))

    def get(self, item: Item) -> Object | None:
        """Return one object's metadata (more of it, for a shared kind), or None."""
        informer = self._informers.get(item.kind)
        return informer.get(item.key.name, item.key.namespace) if informer is not None else None

    def dependents(self, uid: str) -> Iterator[tuple[Kind, Object]]:
        """Yield all objects that name the owner with this uid."""
        for kind, informer in self._informers.items():
            for obj in informer.by_index(BY_OWNER, uid):
                yield kind, obj

    def _follow(self, group: asyncio.TaskGroup, served: list[Served]) -> None:
        self._served = served
        self._kinds = {
            (f"{each.kind.group}/{version}" if each.kind.group else version, each.kind.kind): each.kind
            for each in served
            for version in each.versions
        }
        wanted = {each.kind for each in served if each.verbs >= NEEDED and not _is_event(each.kind)}
        for kind in self._informers.keys() - wanted:
            log.info("kind is no longer served", kind=kind.kind)
            del self._informers[kind]
            if task := self._running.pop(kind, None):
                task.cancel()
        for kind in wanted - self._informers.keys():
            self._start(group, kind)

    def _start(self, group: asyncio.TaskGroup, kind: Kind) -> None:
        informer = self._shared.get(kind)
        if informer is None:
            informer = Informer(self._client, kind, indexers={BY_OWNER: owner_uids}, metadata_only=True)
            self._running[kind] = group.create_task(informer.run(), name=f"monitor-{kind.plural}")
        self._informers[kind] = informer
        informer.add_handler(partial(self._tell, kind))

    def _tell(self, kind: Kind, old: Object | None, new: Object | None) -> None:
        for handler in self._handlers:
            handler(kind, old, new)


def _is_event(kind: Kind) -> bool:
    """Events are many, short-lived, and neither own nor are owned (upstream ignores them too)."""
    return (kind.kind, kind.group) in {(EVENT.kind, EVENT.group), (EVENT.kind, "events.k8s.io")}
