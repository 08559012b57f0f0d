"""Keeps one object in every namespace, and puts it back when somebody removes it.

Source: ``k8s.io/kubernetes/pkg/controller``: ``serviceaccount.ServiceAccountsController`` for the ServiceAccount
``default``, ``certificates/rootcacertpublisher`` for the ConfigMap ``kube-root-ca.crt``.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from client.api import Client
from client.errors import ApiError
from client.informer import Informer
from client.kinds import CONFIG_MAP, NAMESPACE, SERVICE_ACCOUNT, Kind
from client.store import key_of
from client.workqueue import WorkQueue
from controllers.context import Context
from kube.metadata import is_terminating
from kube.objects import Object

ACCOUNT_NAME = "default"
AUTHORITY_NAME = "kube-root-ca.crt"
DESCRIPTION = "Whom to trust when a connection says that it leads to this API server."
WORKERS = 2
LOOK_AGAIN_SECONDS = 60.0
"""How soon a new authority is told everywhere; the old one is trusted beside it for longer than that."""
Content = Callable[[], Awaitable[Object]]
"""Returns what an object has beside its name; where that has data, it is put back too."""


def namespace_defaults(context: Context) -> "list[NamespaceDefault]":
    """Return the controllers of all that every namespace has."""
    defaults = [NamespaceDefault(context, SERVICE_ACCOUNT, ACCOUNT_NAME, _nothing)]
    if (file := context.client.certificate_authority) is not None:
        defaults.append(NamespaceDefault(context, CONFIG_MAP, AUTHORITY_NAME, lambda: _trust(file), LOOK_AGAIN_SECONDS))
    return defaults


async def _nothing() -> Object:
    return {}


async def _trust(file: Path) -> Object:
    """Return whom to trust now: authorities rotate."""
    return {
        "metadata": {"annotations": {"kubernetes.io/description": DESCRIPTION}},
        "data": {"ca.crt": await asyncio.to_thread(file.read_text)},
    }


class NamespaceDefault:
    """Watches namespaces, and the objects of one kind and name."""

    def __init__(self, context: Context, kind: Kind, name: str, content: Content, again: float | None = None) -> None:
        """``content`` may change: it is looked at every ``again`` seconds."""
        self._client: Client = context.client
        self._kind = kind
        self._name = name
        self._content = content
        self._again = again
        self._namespaces = context.informers[NAMESPACE]
        # Its own, as it sees only objects of the name.
        self._objects = Informer(context.client, kind, field_selector=f"metadata.name={name}")
        self._queue: WorkQueue[str] = WorkQueue(f"default-{kind.plural}", self.reconcile, workers=WORKERS)
        self._namespaces.add_handler(self._namespace_changed)
        self._objects.add_handler(self._object_changed)

    async def run(self) -> None:
        """Reconcile until cancelled, once namespaces and objects are known."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._objects.run(), name=f"informer-default-{self._kind.plural}")
            await self._namespaces.synced.wait()
            await self._objects.synced.wait()
            await self._queue.run()

    async def reconcile(self, namespace: str) -> float | None:
        """Make the object of one namespace what it should be."""
        known = self._namespaces.get(namespace)
        if known is None or is_terminating(known):
            return None
        existing, content = self._objects.get(self._name, namespace), await self._content()
        if existing is None:
            await self._create(namespace, content)
        elif existing.get("data") != content.get("data", existing.get("data")):
            await self._client.update(self._kind, {**existing, "data": content["data"]})
        return self._again

    async def _create(self, namespace: str, content: Object) -> None:
        metadata = {**content.get("metadata", {}), "name": self._name, "namespace": namespace}
        try:
            await self._client.create(self._kind, {**content, "metadata": metadata})
        except ApiError as error:
            # The informers bring the rest: the namespace is going, or somebody else was faster.
            if not (error.namespace_terminating or error.not_found or error.already_exists):
                raise

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and old is None:
            self._queue.add(key_of(new).name)

    def _object_changed(self, old: Object | None, new: Object | None) -> None:
        changed = new or old
        if changed is not None:
            self._queue.add(key_of(changed).namespace)
