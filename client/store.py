"""The objects of one kind in memory, found by key and by index."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from kube.objects import Object

Indexer = Callable[[Object], Iterable[str]]
"""Tells under which values an object is found."""


class ObjectKey(NamedTuple):
    """Where an object lives. ``namespace`` is empty for cluster-scoped kinds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def key_of(obj: Object) -> ObjectKey:
    """Return the key of ``obj``."""
    return ObjectKey(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


class Store:
    """Objects by key. Callers must not change what they are given."""

    def __init__(self, indexers: Mapping[str, Indexer]) -> None:
        self._objects: dict[ObjectKey, Object] = {}
        self._indexers = indexers
        self._indexes: dict[str, dict[str, dict[ObjectKey, Object]]] = {name: {} for name in indexers}

    def get(self, key: ObjectKey) -> Object | None:
        """Return one object, or None."""
        return self._objects.get(key)

    def all(self) -> list[Object]:
        """Return every object."""
        return list(self._objects.values())

    def by_index(self, index: str, value: str) -> list[Object]:
        """Return the objects found under ``value`` in ``index``."""
        return list(self._indexes[index].get(value, {}).values())

    def put(self, obj: Object) -> None:
        """Store ``obj`` in place of what has its key."""
        key = key_of(obj)
        self.remove(key)
        self._objects[key] = obj
        for name, indexer in self._indexers.items():
            for value in indexer(obj):
                self._indexes[name].setdefault(value, {})[key] = obj

    def remove(self, key: ObjectKey) -> None:
        """Forget the object with this key, if there is one."""
        old = self._objects.pop(key, None)
        if old is None:
            return
        for name, indexer in self._indexers.items():
            index = self._indexes[name]
            for value in indexer(old):
                found = index.get(value, {})
                found.pop(key, None)
                if not found:
                    index.pop(value, None)
