"""How far rotations have come, as a condition of the KubeVirt object: what is under way, and who is waited for."""

from client.informer import Informer
from client.kinds import KUBEVIRT
from client.workqueue import WorkQueue
from controllers.context import Context
from kube.conditions import set_condition
from kube.configuration import governing
from kube.metadata import status_patch
from kube.objects import Object

CONDITION = "CertificatesRotating"
_ALL = "all"


class Progress:
    """Tells what has been noted, once where much changes at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._kubevirts: Informer = context.informers[KUBEVIRT]
        self._noted: dict[str, str] = {}
        self._queue: WorkQueue[str] = WorkQueue("certificates-progress", self.reconcile, workers=1)
        self._kubevirts.add_handler(lambda _old, _new: self._queue.add(_ALL))

    def note(self, authority: str, why: str) -> None:
        """Note what is under way for one authority; nothing when ``why`` is empty."""
        if self._noted.get(authority) != why:
            self._noted[authority] = why
            self._queue.add(_ALL)

    async def run(self) -> None:
        """Tell until cancelled."""
        await self._kubevirts.synced.wait()
        await self._queue.run()

    async def reconcile(self, _key: str) -> None:
        """Write the condition, when it says something else."""
        kubevirt = governing(self._kubevirts.all())
        if kubevirt is None or not self._noted:
            return
        status: Object = kubevirt.get("status") or {}
        conditions = set_condition(status.get("conditions", ()), condition(self._noted), self._context.now())
        patch = status_patch(kubevirt, {**status, "conditions": conditions})
        if patch is not None:
            metadata = kubevirt["metadata"]
            written = await self._context.client.patch(
                KUBEVIRT, metadata["name"], metadata["namespace"], patch, subresource="status"
            )
            self._kubevirts.observe(written)


def condition(noted: dict[str, str]) -> Object:
    """Return the condition that says what is under way, by authority."""
    under_way = [f"{authority}: {why}" for authority, why in sorted(noted.items()) if why]
    if under_way:
        return {"type": CONDITION, "status": "True", "reason": "RotationInProgress", "message": "; ".join(under_way)}
    told = "All certificates are as they should be."
    return {"type": CONDITION, "status": "False", "reason": "UpToDate", "message": told}
