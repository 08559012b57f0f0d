"""The namespace controller: deletes all that is inside, tells what is left, and removes the last hold when it is gone.

Source: ``k8s.io/kubernetes/pkg/controller/namespace/deletion``; KEP-5080 for the order: machines as pods there.
"""

from client.discovery import discover
from client.errors import ApiError, if_found
from client.kinds import NAMESPACE, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE, Kind
from client.store import key_of
from client.workqueue import WorkQueue
from controllers.context import Context
from controllers.monitors import Monitors
from controllers.namespace.decide import Left, conditions
from kube.metadata import is_terminating, status_patch
from kube.objects import Object

FINALIZER = "kubernetes"
"""In ``spec.finalizers`` until the namespace is empty."""
FIRST = (VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE)
"""What goes before the rest, in turn: machines stop their instances, and guests that shut down may need the rest."""
NEEDED = frozenset({"deletecollection", "list"})
LOOK_AGAIN_SECONDS = 5.0
SETTLE_SECONDS = 0.1
"""How long to wait after an object has gone, for more that go at the same time."""
WORKERS = 5


class NamespaceController:
    """Finishes terminating namespaces."""

    def __init__(self, context: Context, monitors: Monitors) -> None:
        self._client = context.client
        self._now = context.now
        self._namespaces = context.informers[NAMESPACE]
        self._queue: WorkQueue[str] = WorkQueue("namespace", self.reconcile, workers=WORKERS)
        self._namespaces.add_handler(self._namespace_changed)
        monitors.add_handler(self._content_changed)

    async def run(self) -> None:
        """Reconcile until cancelled, once the namespaces are known."""
        await self._namespaces.synced.wait()
        await self._queue.run()

    async def reconcile(self, name: str) -> float | None:
        """Empty one terminating namespace; let it go once it is empty."""
        namespace = self._namespaces.get(name)
        if namespace is None or not is_terminating(namespace) or FINALIZER not in _finalizers(namespace):
            return None
        left = await self._empty(name)
        if left or namespace.get("status", {}).get("conditions"):
            namespace = await self._tell(namespace, left)
        if left:
            return LOOK_AGAIN_SECONDS
        await self._release(namespace)
        return None

    async def _empty(self, namespace: str) -> Left:
        """Ask for the deletion of everything, one group of kinds after the other; return what is left."""
        left = Left()
        served = [each.kind for each in await discover(self._client) if each.kind.namespaced and each.verbs >= NEEDED]
        first = [[kind] for kind in FIRST if kind in served]
        for kinds in [*first, [kind for kind in served if kind not in FIRST]]:
            for kind in kinds:
                await self._empty_kind(kind, namespace, left)
            if left:
                break
        return left

    async def _empty_kind(self, kind: Kind, namespace: str, left: Left) -> None:
        try:
            if (await self._client.delete_collection(kind, namespace)).get("items"):
                listed = await self._client.list(kind, namespace, metadata_only=True)
                left.note(kind, listed["items"])
        except ApiError as error:
            if error.unreachable:
                raise
            left.failures.append(str(error))

    async def _tell(self, namespace: Object, left: Left) -> Object:
        status = namespace.get("status", {})
        patch = status_patch(
            namespace, {**status, "conditions": conditions(status.get("conditions", ()), left, self._now())}
        )
        if patch is None:
            return namespace
        name = namespace["metadata"]["name"]
        return await self._client.patch(NAMESPACE, name, None, patch, subresource="status")

    async def _release(self, namespace: Object) -> None:
        kept = [each for each in _finalizers(namespace) if each != FINALIZER]
        released = {**namespace, "spec": {**namespace["spec"], "finalizers": kept}}
        await if_found(self._client.finalize(NAMESPACE, released))

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and is_terminating(new) and not (old and is_terminating(old)):
            self._queue.add(key_of(new).name)

    def _content_changed(self, _: Kind, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            namespace = self._namespaces.get(key_of(old).namespace)
            if namespace is not None and is_terminating(namespace):
                self._queue.add_after(key_of(namespace).name, SETTLE_SECONDS)


def _finalizers(namespace: Object) -> list[str]:
    return namespace.get("spec", {}).get("finalizers", [])
