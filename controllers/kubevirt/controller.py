"""The KubeVirt controller: holds the object that counts, tells how the system is, and lets it go when it is deleted."""

from importlib.metadata import version

from client.kinds import KUBEVIRT
from client.store import ObjectKey, key_of
from client.workqueue import WorkQueue
from controllers.context import Context
from controllers.kubevirt.decide import (
    EXISTING,
    FINALIZER,
    OLD_FINALIZER,
    Running,
    deleting_status,
    deployed_status,
    is_told_surplus,
    status_of,
    surplus_message,
    surplus_status,
)
from kube.configuration import governing
from kube.metadata import adding_finalizer, has_finalizer, is_terminating, removing_finalizer, status_patch
from kube.nodes import architecture
from kube.objects import Object


class KubeVirtController:
    """Watches the KubeVirt objects; there should be one."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._kubevirts = context.informers[KUBEVIRT]
        self._running = Running(version=f"v{version('virtplane')}", architecture=architecture())
        self._queue: WorkQueue[ObjectKey] = WorkQueue("kubevirt", self.reconcile, workers=1)
        self._kubevirts.add_handler(self._changed)

    async def run(self) -> None:
        """Reconcile until cancelled, once the objects are known."""
        await self._kubevirts.synced.wait()
        await self._queue.run()

    async def reconcile(self, key: ObjectKey) -> None:
        """Bring one object's finalizer and status up to date."""
        kubevirt = self._kubevirts.get(key.name, key.namespace)
        if kubevirt is None:
            return
        if is_terminating(kubevirt):
            await self._let_go(kubevirt)
        elif (counts := governing(self._kubevirts.all())) is not None and counts is not kubevirt:
            await self._tell_surplus(kubevirt, counts)
        else:
            await self._tell_deployed(kubevirt)

    async def _tell_deployed(self, kubevirt: Object) -> None:
        if not has_finalizer(kubevirt, FINALIZER):
            kubevirt = await self._patch(kubevirt, adding_finalizer(kubevirt, FINALIZER))
        is_new = status_of(kubevirt).get("phase") != "Deployed"
        await self._write(kubevirt, deployed_status(kubevirt, self._running, self._context.now()))
        if is_new:
            self._context.events.normal(kubevirt, "Deployed", "The configuration is in force.")

    async def _tell_surplus(self, kubevirt: Object, counts: Object) -> None:
        is_new = not is_told_surplus(kubevirt)
        await self._write(kubevirt, surplus_status(kubevirt, counts, self._context.now()))
        if is_new:
            self._context.events.warning(kubevirt, EXISTING, surplus_message(counts))

    async def _let_go(self, kubevirt: Object) -> None:
        if status_of(kubevirt).get("phase") != "Deleting":
            self._context.events.normal(kubevirt, "Deleting", "The configuration goes; workloads stay.")
        kubevirt = await self._write(kubevirt, deleting_status(kubevirt, self._context.now()))
        for finalizer in (FINALIZER, OLD_FINALIZER):
            if has_finalizer(kubevirt, finalizer):
                kubevirt = await self._patch(kubevirt, removing_finalizer(kubevirt, finalizer))

    async def _write(self, kubevirt: Object, status: Object) -> Object:
        """Bring the status up to date, if it is not; return the object as it is then."""
        patch = status_patch(kubevirt, status)
        return kubevirt if patch is None else await self._patch(kubevirt, patch, subresource="status")

    async def _patch(self, kubevirt: Object, patch: Object, *, subresource: str | None = None) -> Object:
        key = key_of(kubevirt)
        written = await self._context.client.patch(KUBEVIRT, key.name, key.namespace, patch, subresource=subresource)
        self._kubevirts.observe(written)
        return written

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None:
            self._queue.add(key_of(new))
            return
        # With one that comes or goes, another may begin or cease to count.
        for each in self._kubevirts.all():
            self._queue.add(key_of(each))
