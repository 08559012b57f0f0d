"""The watch cache of a server that is part of a cluster: its own objects, and those that the cluster keeps for all.

Source of what is asked before a commit: the admission plugins NamespaceLifecycle, which looks at what its informer
knows and asks for a namespace that it does not know, and ResourceQuota, which kube-apiserver has for its own kinds.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager, nullcontext

from apiserver.registry.clusterobjects import ClusterObjects
from apiserver.registry.codec import decoded_record, hub_object
from apiserver.registry.quota import InDoubtError
from apiserver.storage.cache import WatchCache
from apiserver.storage.contract import Along, Key, NotFoundError, Record, Revision
from apiserver.storage.sql import SqlLog
from kube.configuration import KUBEVIRTS, Latest
from kube.groups import is_kubevirt
from kube.quota import RESOURCE_QUOTAS, counted_beside, sources


class ClusterCache(WatchCache):
    """A WatchCache that finds the cluster's kinds there; the registry and the rules need not know where."""

    def __init__(self, log: SqlLog, cluster: ClusterObjects) -> None:
        super().__init__(log)
        self._cluster = cluster
        self._latest = Latest()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def create(self, key: Key, body: bytes, *, along: Sequence[Along] = ()) -> Record:
        """See Store. What the cluster keeps is asked right before the commit, and never changed."""
        async with self._asking(key.namespace, along) as own:
            return await super().create(key, body, along=own)

    async def replace(self, key: Key, body: bytes, *, expected: Revision, along: Sequence[Along] = ()) -> Record:
        """See Store, and ``create``."""
        async with self._asking(key.namespace, along) as own:
            return await super().replace(key, body, expected=expected, along=own)

    @asynccontextmanager
    async def _asking(self, namespace: str, along: Sequence[Along]) -> AsyncGenerator[Sequence[Along]]:
        """Ask the cluster's records, and give the rest, which is asked within the commit.

        Raises what they raise, 403 where a quota is exceeded. One after the other, where there are quotas: what this
        replica has allowed it counts next time; another replica may allow something at the same moment.
        """
        asks = any(each.key.resource == RESOURCE_QUOTAS for each in along)
        limited = asks and any(self._cluster.all(RESOURCE_QUOTAS, namespace))
        async with self._turns[namespace] if limited else nullcontext():
            for each in along:
                if each.key.resource == RESOURCE_QUOTAS:
                    self._ask_quotas(each)
                elif self._cluster.holds(each.key.resource):
                    each.amend(await self.get(each.key))
            yield [each for each in along if not self._cluster.holds(each.key.resource)]

    def _ask_quotas(self, along: Along) -> None:
        namespace, configuration = along.key.namespace, self._latest.of(map(hub_object, super().records(KUBEVIRTS)))
        for quota in self._cluster.all(RESOURCE_QUOTAS, namespace):
            own = [kind for kind in sources(quota) if is_kubevirt(kind.partition(".")[2])]
            found = {kind: map(hub_object, super(ClusterCache, self).records(kind, namespace)) for kind in own}
            whole = counted_beside(quota, found, configuration)
            try:
                along.amend(decoded_record(Key(RESOURCE_QUOTAS, namespace, quota["metadata"]["name"]), whole))
            except InDoubtError as over:
                raise over.refusal from over

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
