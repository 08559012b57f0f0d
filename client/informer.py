"""An informer keeps a local copy of one kind: list once, then watch; list again when the watch cannot go on.

Handlers run in the event loop, one change at a time, in the order of the log; they only note what to do (add a key
to a work queue). Source of the rules: client-go's reflector and shared informer.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import aclosing
from functools import partial

import structlog

from client.api import Client
from client.errors import ApiError
from client.kinds import Kind
from client.store import Indexer, ObjectKey, Store, key_of
from kube.objects import Object

Handler = Callable[[Object | None, Object | None], None]
"""Told ``(old, new)``: old is None for an addition, new is None for a deletion."""

IDENTITY = frozenset(
    {"name", "namespace", "uid", "resourceVersion", "ownerReferences", "finalizers", "deletionTimestamp"}
)
"""What an informer of metadata keeps."""
OUT_OF_TOUCH_FAILURES = 5
"""After so many failures in a row, some seconds, what is known counts as old,"""
OUT_OF_TOUCH_SECONDS = 30.0
"""until none has come for so long: attempts fail more often than that, and a watch that is quiet tells nothing."""
WATCH_SECONDS = 290
FIRST_BACKOFF_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 15.0

log = structlog.get_logger(__name__)


class Informer:
    """The objects of one kind, kept current."""

    def __init__(
        self,
        client: Client,
        kind: Kind,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        indexers: Mapping[str, Indexer] | None = None,
        metadata_only: bool = False,
        trim: Callable[[Object], Object] | None = None,
    ) -> None:
        """``metadata_only`` keeps of each object only what says what it is and whose.

        What is kept otherwise, ``trim`` returns: it makes less of each object, and must not change it.
        """
        self.kind = kind
        self.synced = asyncio.Event()
        self._client = client
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._metadata_only = metadata_only
        self._trim = trim or (partial(_identity, kind) if metadata_only else _whole)
        self._store = Store(indexers or {})
        self._revision = ""
        self._failures = 0
        self._failed_at = 0.0
        self._handlers: list[Handler] = []

    @property
    def has_synced(self) -> bool:
        """True once the first list is in the store."""
        return self.synced.is_set()

    @property
    def out_of_touch(self) -> bool:
        """True while nothing is known yet, or the server does not answer."""
        recently = asyncio.get_running_loop().time() < self._failed_at + OUT_OF_TOUCH_SECONDS
        return not self.has_synced or (recently and self._failures >= OUT_OF_TOUCH_FAILURES)

    def add_handler(self, handler: Handler) -> None:
        """Tell ``handler`` of every change; what is already known is told as additions, now."""
        self._handlers.append(handler)
        for obj in self._store.all():
            handler(None, obj)

    def get(self, name: str, namespace: str = "") -> Object | None:
        """Return one object, or None. It must not be changed."""
        return self._store.get(ObjectKey(namespace, name))

    def all(self) -> list[Object]:
        """Return all objects. They must not be changed."""
        return self._store.all()

    def by_name(self) -> dict[str, Object]:
        """Return all objects by their names, of a kind in one namespace. They must not be changed."""
        return {obj["metadata"]["name"]: obj for obj in self._store.all()}

    def by_index(self, index: str, value: str) -> list[Object]:
        """Return the objects found under ``value`` in one of the indexers. They must not be changed."""
        return self._store.by_index(index, value)

    async def put(self, obj: Object) -> None:
        """Create ``obj``, or replace what is known in its place; a conflict when that has changed meanwhile."""
        metadata = obj["metadata"]
        known = self.get(metadata["name"], metadata.get("namespace", ""))
        if known is None:
            await self._client.create(self.kind, obj)
            return
        metadata = {**metadata, "resourceVersion": known["metadata"]["resourceVersion"]}
        self.observe(await self._client.update(self.kind, {**obj, "metadata": metadata}))

    def observe(self, written: Object) -> None:
        """Take over the answer to an own write, ahead of the watch, so that the next decision knows of it.

        Only a newer state of a known object is taken: a creation or a deletion is the watch's to tell.
        """
        known = self._store.get(key_of(written))
        if known is not None and known["metadata"]["uid"] == written["metadata"]["uid"]:
            self._put(written)

    async def run(self) -> None:
        """List and watch until cancelled; what fails is logged and tried again after a growing, jittered delay."""
        while True:
            try:
                if not self._revision:
                    await self._relist()
                await self._follow()
            except ApiError as error:
                if error.expired and self._revision:
                    self._revision = ""
                    continue
                await self._back_off(error)

    async def _back_off(self, error: ApiError) -> None:
        self._failures = min(self._failures + 1, 10)
        self._failed_at = asyncio.get_running_loop().time()
        delay = min(FIRST_BACKOFF_SECONDS * 2**self._failures, LONGEST_BACKOFF_SECONDS)
        delay *= random.uniform(0.5, 1)  # noqa: S311 - spreads clients, hides nothing
        # One lost connection is everyday life: a server restarts, and the next attempt succeeds.
        tell = log.debug if error.unreachable and self._failures == 1 else log.warning
        tell("cannot list or watch, will retry", kind=self.kind.kind, error=str(error), seconds=round(delay, 2))
        await asyncio.sleep(delay)

    async def _relist(self) -> None:
        answer = await self._client.list(
            self.kind,
            self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            metadata_only=self._metadata_only,
        )
        listed = {key_of(item) for item in answer["items"]}
        for gone in [each for each in self._store.all() if key_of(each) not in listed]:
            self._remove(gone)
        for item in answer["items"]:
            self._put(item)
        self._revision = answer["metadata"]["resourceVersion"]
        self.synced.set()

    async def _follow(self) -> None:
        """Apply one watch until the server ends it. Raises ApiError."""
        events = self._client.watch(
            self.kind,
            resource_version=self._revision,
            namespace=self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            timeout_seconds=int(WATCH_SECONDS * random.uniform(1, 2)),  # noqa: S311 - spreads clients
            metadata_only=self._metadata_only,
        )
        seen = 0
        async with aclosing(events):
            async for kind, obj in events:
                if kind == "DELETED":
                    self._remove(obj)
                elif kind != "BOOKMARK":
                    self._put(obj)
                self._revision = obj["metadata"]["resourceVersion"]
                self._failures = 0
                seen += 1
        if not seen:
            # A watch that brought nothing, not even a bookmark, must not be opened again in a tight loop.
            raise ApiError(0, "WatchEnded", "the server ended a watch before its first event")

    def _put(self, obj: Object) -> None:
        new = self._trim(obj)
        old = self._store.get(key_of(new))
        if old is not None and old["metadata"]["uid"] != new["metadata"]["uid"]:
            # Deleted and created again while nobody was looking.
            self._remove(old)
            old = None
        if old is not None and _revision(old) >= _revision(new):
            return
        self._store.put(new)
        self._tell(old, new)

    def _remove(self, obj: Object) -> None:
        old = self._store.get(key_of(obj))
        if old is None or old["metadata"]["uid"] != obj["metadata"]["uid"]:
            return
        self._store.remove(key_of(obj))
        self._tell(old, None)

    def _tell(self, old: Object | None, new: Object | None) -> None:
        for handler in self._handlers:
            handler(old, new)


def _identity(kind: Kind, obj: Object) -> Object:
    """Return what the garbage collector reads: no data of a Secret's, and no labels, stay in memory."""
    metadata = {name: value for name, value in obj["metadata"].items() if name in IDENTITY}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}


def _whole(obj: Object) -> Object:
    return obj


def _revision(obj: Object) -> int:
    """Resource versions of one kind can be ordered as integers (KEP-5504)."""
    return int(obj["metadata"]["resourceVersion"])
