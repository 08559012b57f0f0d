"""A server that is part of a Kubernetes cluster: it serves KubeVirt's kinds, and asks the cluster for all the rest.

The cluster says who callers are and what they may, has the namespaces and what is allowed in them, and looks after what
was deleted.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from apiserver.auth import clustertrust
from apiserver.auth.attributes import RequestInfo
from apiserver.auth.authentication import Authenticator
from apiserver.auth.clusterreviews import AccessReviews, TokenReviews
from apiserver.auth.clustertrust import LiveClusterTrust
from apiserver.auth.frontproxy import ClusterCertificates
from apiserver.auth.nodebinding import is_bound
from apiserver.http.api import Api
from apiserver.http.health import Check
from apiserver.machinery.schema import Catalogue
from apiserver.preconditions import needed, require_front_proxy, require_rights
from apiserver.registry.clustercache import ClusterCache
from apiserver.registry.clusterobjects import ClusterObjects
from apiserver.registry.stored import StoredObjects
from apiserver.resources import actions, resources
from apiserver.storage.cache import WatchCache
from apiserver.storage.sealing import Sealing
from apiserver.storage.sql import SqlLog
from client.api import Client
from client.running import alongside, until
from kube.groups import is_kubevirt


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """How a server is part of a Kubernetes cluster."""

    kubeconfig: Path | None
    """None for the ServiceAccount of the pod."""


class InCluster:
    """The cluster as what a server has around it (see :class:`apiserver.server.Surroundings`)."""

    def __init__(self, catalogue: Catalogue, client: Client, *, data_volumes: bool) -> None:
        """``data_volumes`` is False where the containerized data importer serves ``cdi.kubevirt.io``."""
        self._catalogue = catalogue
        self._client = client
        self._objects = ClusterObjects(client, importer=not data_volumes)
        self._config_maps = clustertrust.informer(client)
        self._trust = LiveClusterTrust(self._config_maps)
        self._stored = StoredObjects()
        every = resources(catalogue, self._stored, data_volumes=data_volumes)
        self.served = tuple(each for each in every if is_kubevirt(each.group))
        self.checks: Mapping[str, Check] = {"cluster": self._objects.check, "front-proxy": self._trust.check}
        self.client_authorities: tuple[Path, ...] = ()

    def trusted(self) -> str:
        """Return who signs certificates of the front proxy, and of clients, in PEM."""
        return self._trust.now.pem

    async def run(self) -> None:
        """Keep what is known of the cluster current until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._objects.run(), name="cluster-objects")
            group.create_task(self._config_maps.run(), name="cluster-trust")

    async def known(self) -> None:
        """Return once all that is needed of the cluster is known."""
        await self._objects.known()
        await self._config_maps.synced.wait()

    def sealing(self, _database_url: str) -> AbstractAsyncContextManager[Sealing]:
        """Return what encrypts nothing: Secrets are the cluster's."""
        return nullcontext(Sealing(()))

    def cache(self, log: SqlLog) -> WatchCache:
        """Return the watch cache of ``log``, which finds other kinds in the cluster."""
        return ClusterCache(log, self._objects)

    def api(self, store: WatchCache) -> Api:
        """Return what is served from ``store``."""
        self._stored.read_from(store)
        return Api(
            resources={(resource.group, resource.plural): resource for resource in self.served},
            actions={
                (action.group, action.whole_resource): action
                for action in actions(self.served, self._stored, self._catalogue)
            },
            store=store,
            catalogue=self._catalogue,
            authenticator=Authenticator(ClusterCertificates(lambda: self._trust.now), TokenReviews(self._client)),
            authorization=AccessReviews(self._client, self._bound_to),
        )

    async def prepare(self, api: Api) -> None:
        """Make nothing: what must be there is the cluster's, or its administrator's."""

    def _bound_to(self, node: str, asked: RequestInfo) -> bool:
        return is_bound(self._stored, node, asked.resource, asked.namespace, asked.object_name)


@asynccontextmanager
async def in_cluster(
    catalogue: Catalogue, member: Member, stop: asyncio.Event, *, data_volumes: bool
) -> AsyncGenerator[InCluster]:
    """Wait until the cluster answers and allows what is needed, and follow it for as long as the context lasts.

    Ends at once, knowing nothing, when ``stop`` is set; sets that when the cluster can be followed no longer.
    Raises KubeconfigError and HalfConfiguredError.
    """
    async with Client.from_kubeconfig(member.kubeconfig, "virtplane-server") as client:
        await until(stop, _require(client, importer=not data_volumes))
        around = InCluster(catalogue, client, data_volumes=data_volumes)
        async with alongside(stop, around.run()):
            await until(stop, around.known())
            yield around


async def _require(client: Client, *, importer: bool) -> None:
    await require_rights(client, [*needed(importer=importer)])
    await require_front_proxy(client)
