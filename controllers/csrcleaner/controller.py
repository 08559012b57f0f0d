"""The CSR cleaner: deletes requests that were decided about long ago, or never.

Source: ``k8s.io/kubernetes/pkg/controller/certificates/cleaner`` for the times. One that was answered with an agent's
certificate is kept as long as that is good: it tells that the name is given away.
"""

from datetime import datetime, timedelta

from certs.overlap import seconds_until
from certs.requests import SIGNERS, certificate_end
from client.errors import if_found
from client.kinds import CERTIFICATE_SIGNING_REQUEST
from client.workqueue import WorkQueue
from controllers.context import Context
from kube.conditions import get_condition
from kube.objects import Object
from kube.timestamps import from_time

DECIDED = timedelta(hours=1)
"""How long a request is kept after it was approved, denied or has failed."""
PENDING = timedelta(hours=24)
"""How long one is kept that nobody decides about."""


class CsrCleaner:
    """Watches requests for certificates."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._requests = context.informers[CERTIFICATE_SIGNING_REQUEST]
        self._queue: WorkQueue[str] = WorkQueue("csrcleaner", self.reconcile, workers=1)
        self._requests.add_handler(lambda old, new: self._queue.add((new or old or {})["metadata"]["name"]))

    async def run(self) -> None:
        """Clean until cancelled, once the requests are known."""
        await self._requests.synced.wait()
        await self._queue.run()

    async def reconcile(self, name: str) -> float | None:
        """Delete a request whose time is over. Returns the seconds until then."""
        csr = self._requests.get(name)
        if csr is None:
            return None
        now, end = self._context.now(), kept_until(csr)
        if now < end:
            return seconds_until(end, now)
        uid = csr["metadata"]["uid"]
        await if_found(self._context.client.delete(CERTIFICATE_SIGNING_REQUEST, name, None, uid=uid))
        return None


def kept_until(csr: Object) -> datetime:
    """Return when a request may go."""
    status = csr.get("status", {})
    end = certificate_end(csr)
    if end is not None and csr["spec"]["signerName"] in SIGNERS:
        return end
    found = (get_condition(status.get("conditions") or (), each) for each in ("Approved", "Denied", "Failed"))
    decided = [from_time(each["lastUpdateTime"]) + DECIDED for each in found if each is not None]
    expired = [end] if end is not None else []
    return min([*decided, *expired, from_time(csr["metadata"]["creationTimestamp"]) + PENDING])
