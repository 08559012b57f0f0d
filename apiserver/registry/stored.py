"""What the watch cache holds, as objects: for rules and authorization that look at more than the object at hand."""

from collections.abc import Iterator

from apiserver.machinery.resource import Object
from apiserver.registry.codec import hub_object
from apiserver.storage.cache import WatchCache
from apiserver.storage.contract import Key


class StoredObjects:
    """All objects in memory (see :class:`apiserver.machinery.resource.Stored`): none until there is a cache."""

    def __init__(self) -> None:
        self._cache: WatchCache | None = None

    def read_from(self, cache: WatchCache) -> None:
        """Look into ``cache`` from now on. It comes last: its log is read by rules that depend on this."""
        self._cache = cache

    def one(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return an object, or None."""
        record = self._cache.peek(Key(kind, namespace, name)) if self._cache else None
        return hub_object(record) if record is not None else None

    def all(self, kind: str, namespace: str | None = None) -> Iterator[Object]:
        """Yield the objects of a namespace, or of all."""
        records = self._cache.records(kind, namespace) if self._cache else iter(())
        return (hub_object(record) for record in records)

    def revision(self, kind: str) -> int:
        """Return the revision of the last change of an object of a kind, as far as it is remembered."""
        return self._cache.shelf(kind).revision if self._cache else 0
