"""The watch cache of a server that is part of a cluster: its own objects, and those that the cluster keeps for all.

Source of what is asked before a commit: the admission plugin NamespaceLifecycle, which looks at what its informer
knows, and asks for a namespace that it does not know.
"""

from collections.abc import Iterator, Sequence

from apiserver.registry.clusterobjects import ClusterObjects
from apiserver.registry.codec import decoded_record
from apiserver.storage.cache import WatchCache
from apiserver.storage.contract import Along, Key, NotFoundError, Record, Revision
from apiserver.storage.sql import SqlLog


class ClusterCache(WatchCache):
    """A WatchCache that finds the cluster's kinds there; the registry and the rules need not know where."""

    def __init__(self, log: SqlLog, cluster: ClusterObjects) -> None:
        super().__init__(log)
        self._cluster = cluster

    async def create(self, key: Key, body: bytes, *, along: Sequence[Along] = ()) -> Record:
        """See Store. What the cluster keeps is asked right before the commit, and never changed."""
        for each in along:
            if self._cluster.holds(each.key.resource):
                each.amend(await self.get(each.key))
        own = [each for each in along if not self._cluster.holds(each.key.resource)]
        return await super().create(key, body, along=own)

    async def get(self, key: Key, *, at_least: Revision | None = None) -> Record:
        """See Store. Of the cluster's objects any state is new enough, but one that is not known is asked for."""
        if not self._cluster.holds(key.resource):
            return await super().get(key, at_least=at_least)
        found = await self._cluster.look_up(key.resource, key.namespace, key.name)
        if found is None:
            raise NotFoundError(key)
        return decoded_record(key, found)

    def peek(self, key: Key) -> Record | None:
        """Return what is known under ``key`` now."""
        if not self._cluster.holds(key.resource):
            return super().peek(key)
        found = self._cluster.one(key.resource, key.namespace, key.name)
        return decoded_record(key, found) if found is not None else None

    def records(self, resource: str, namespace: str | None = None) -> Iterator[Record]:
        """Yield what is known of ``resource`` now."""
        if not self._cluster.holds(resource):
            yield from super().records(resource, namespace)
            return
        for found in self._cluster.all(resource, namespace):
            metadata = found["metadata"]
            yield decoded_record(Key(resource, metadata.get("namespace", ""), metadata["name"]), found)
