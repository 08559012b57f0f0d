"""What the watch cache holds, as objects: for rules and authorization that look at more than the object at hand."""

from collections.abc import Iterator

from apiserver.machinery.resource import Object
from apiserver.registry.codec import hub_object
from apiserver.storage.cache import WatchCache
from apiserver.storage.contract import Key


class StoredObjects:
    """All objects in memory (see :class:`apiserver.machinery.resource.Stored`)."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache

    def one(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return an object, or None."""
        record = self._cache.peek(Key(kind, namespace, name))
        return hub_object(record) if record is not None else None

    def all(self, kind: str, namespace: str | None = None) -> Iterator[Object]:
        """Yield the objects of a namespace, or of all."""
        return (hub_object(record) for record in self._cache.records(kind, namespace))
