"""Counts what each quota limits, when it is new or changed, and when something that it counts has gone.

Source: ``k8s.io/kubernetes/pkg/controller/resourcequota``.
"""

from client.api import Client
from client.kinds import PERSISTENT_VOLUME_CLAIM, RESOURCE_QUOTA, VIRTUAL_MACHINE_INSTANCE, Kind
from client.store import ObjectKey, key_of
from client.workqueue import WorkQueue
from controllers.context import Context
from controllers.monitors import Monitors
from kube.instances import is_final
from kube.metadata import status_patch
from kube.objects import Object
from kube.quota import INSTANCES, counted, sources, written

MEASURED = frozenset({PERSISTENT_VOLUME_CLAIM, VIRTUAL_MACHINE_INSTANCE})
"""Kinds of which more counts than how many there are."""
BY_NAMESPACE = "namespace"
"""The index of quotas by their namespace."""
SETTLE_SECONDS = 0.1
"""How long to wait after an object has gone, for more that go at the same time."""
RESYNC_SECONDS = 300.0
"""How often everything is counted again: of some kinds, such as Events, nobody hears that they go."""
WORKERS = 5


class ResourceQuotaController:
    """Writes the status of quotas.

    It counts objects that are at least as new as the quota that it knows. Whatever uses more afterwards changes the
    quota in the same commit, so that what is written then conflicts, and is counted again.
    """

    def __init__(self, context: Context, monitors: Monitors) -> None:
        self._client: Client = context.client
        self._quotas = context.informers[RESOURCE_QUOTA]
        self._monitors = monitors
        self._configuration = context.configuration
        self._queue: WorkQueue[ObjectKey] = WorkQueue("resourcequota", self.reconcile, workers=WORKERS)
        self._quotas.add_handler(self._quota_changed)
        monitors.add_handler(self._content_changed)
        context.configuration.add_handler(self._configuration_changed)

    async def run(self) -> None:
        """Reconcile until cancelled, once the quotas, the configuration and what is served are known."""
        await self._configuration.known()
        await self._quotas.synced.wait()
        await self._monitors.synced()
        await self._queue.run()

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Count for one quota."""
        quota = self._quotas.get(key.name, key.namespace)
        if quota is None:
            return None
        served = {_qualified(each.kind): each.kind for each in self._monitors.served}
        found = {name: await self._list(served[name], quota) for name in sources(quota) & served.keys()}
        status = {"hard": _hard(quota), "used": written(counted(quota, found, self._configuration.now))}
        if patch := status_patch(quota, {**quota.get("status", {}), **status}):
            patched = await self._client.patch(RESOURCE_QUOTA, key.name, key.namespace, patch, subresource="status")
            self._quotas.observe(patched)
        return RESYNC_SECONDS

    async def _list(self, kind: Kind, quota: Object) -> list[Object]:
        metadata = quota["metadata"]
        listed = await self._client.list(
            kind,
            metadata["namespace"],
            resource_version=metadata["resourceVersion"],
            metadata_only=kind not in MEASURED,
        )
        return listed["items"]

    def _quota_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and (old is None or _hard(new) != new.get("status", {}).get("hard", {})):
            self._queue.add(key_of(new))

    def _configuration_changed(self) -> None:
        for quota in self._quotas.all():
            if INSTANCES in sources(quota):
                self._queue.add(key_of(quota))

    def _content_changed(self, kind: Kind, old: Object | None, new: Object | None) -> None:
        if old is None or not _frees(kind, old, new):
            return
        name, namespace = _qualified(kind), key_of(old).namespace
        for quota in self._quotas.by_index(BY_NAMESPACE, namespace):
            if name in sources(quota):
                self._queue.add_after(key_of(quota), SETTLE_SECONDS)


def _frees(kind: Kind, old: Object, new: Object | None) -> bool:
    """Return True when less may be used than before."""
    return new is None or (kind == VIRTUAL_MACHINE_INSTANCE and is_final(new) and not is_final(old))


def _hard(quota: Object) -> Object:
    return quota.get("spec", {}).get("hard", {})


def _qualified(kind: Kind) -> str:
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural
