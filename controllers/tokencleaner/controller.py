"""The token cleaner: waits for the moment a bootstrap token expires, and deletes its Secret.

Source: ``k8s.io/kubernetes/pkg/controller/bootstrap/tokencleaner.go``.
"""

import asyncio

from certs.overlap import seconds_until
from client.errors import if_found
from client.informer import Informer
from client.kinds import SECRET
from client.workqueue import WorkQueue
from controllers.context import Context
from kube.bootstraptokens import NAMESPACE, SECRET_TYPE, read_token


class TokenCleaner:
    """Watches the Secrets of bootstrap tokens."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._secrets = Informer(context.client, SECRET, namespace=NAMESPACE, field_selector=f"type={SECRET_TYPE}")
        self._queue: WorkQueue[str] = WorkQueue("tokencleaner", self.reconcile, workers=1)
        self._secrets.add_handler(lambda old, new: self._queue.add((new or old or {})["metadata"]["name"]))

    async def run(self) -> None:
        """Clean until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._secrets.run(), name="informer-bootstrap-tokens")
            await self._secrets.synced.wait()
            await self._queue.run()

    async def reconcile(self, name: str) -> float | None:
        """Delete an expired token. Returns the seconds until it expires."""
        secret = self._secrets.get(name, NAMESPACE)
        token = None if secret is None else read_token(secret)
        if secret is None or token is None or token.expires is None:
            return None
        now = self._context.now()
        if not token.expired(now):
            return seconds_until(token.expires, now)
        await if_found(self._context.client.delete(SECRET, name, NAMESPACE, uid=secret["metadata"]["uid"]))
        return None
