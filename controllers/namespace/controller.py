"""The namespace controller: asks for the deletion of all that is inside, and removes the last hold when it is gone."""

import asyncio

from client.api import ApiError
from client.kinds import (
    CONFIG_MAP,
    EVENT,
    LEASE,
    NAMESPACE,
    SECRET,
    VIRTUAL_MACHINE,
    VIRTUAL_MACHINE_INSTANCE,
    Kind,
)
from client.store import key_of
from client.workqueue import WorkQueue
from controllers.context import Context
from kube.metadata import is_terminating
from kube.objects import Object

FINALIZER = "kubernetes"
"""In ``spec.finalizers`` until the namespace is empty."""
PASSIVE = (CONFIG_MAP, LEASE, SECRET, EVENT)
"""What else a namespace can hold."""
LOOK_AGAIN_SECONDS = 5
WORKERS = 2


class NamespaceController:
    """Finishes terminating namespaces."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._namespaces = context.informers[NAMESPACE]
        self._queue: WorkQueue[str] = WorkQueue("namespace", self.reconcile, workers=WORKERS)
        self._namespaces.add_handler(self._namespace_changed)
        for kind in (VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE):
            context.informers[kind].add_handler(self._content_changed)

    async def run(self) -> None:
        """Reconcile until cancelled, once the informer is synced."""
        await self._namespaces.synced.wait()
        await self._queue.run()

    async def reconcile(self, name: str) -> float | None:
        """Empty one terminating namespace; let it go once it is empty."""
        namespace = self._namespaces.get(name)
        finalizers = (namespace or {}).get("spec", {}).get("finalizers", ())
        if namespace is None or not is_terminating(namespace) or FINALIZER not in finalizers:
            return None
        # In turn: machines stop their instances, and guests that shut down may still need the rest.
        for kind in (VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE):
            if await self._empty(kind, name):
                return LOOK_AGAIN_SECONDS
        left = await asyncio.gather(*(self._empty(kind, name) for kind in PASSIVE))
        if any(left):
            return LOOK_AGAIN_SECONDS
        kept = [each for each in finalizers if each != FINALIZER]
        await self._release({**namespace, "spec": {**namespace["spec"], "finalizers": kept}})
        return None

    async def _empty(self, kind: Kind, namespace: str) -> bool:
        """Ask for the deletion of everything of a kind; return True while something is left."""
        if not await self._left(kind, namespace):
            return False
        await self._client.delete_collection(kind, namespace)
        return await self._left(kind, namespace)

    async def _left(self, kind: Kind, namespace: str) -> bool:
        return bool((await self._client.list(kind, namespace))["items"])

    async def _release(self, namespace: Object) -> None:
        try:
            await self._client.finalize(NAMESPACE, namespace)
        except ApiError as error:
            if not error.not_found:
                raise

    def _namespace_changed(self, _: Object | None, new: Object | None) -> None:
        if new is not None and is_terminating(new):
            self._queue.add(key_of(new).name)

    def _content_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._queue.add(key_of(old).namespace)
