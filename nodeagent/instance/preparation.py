"""All that a guest needs before it can start, each guest's in a task of its own.

A pull can take long, or hang: it must keep neither other guests nor its own instance's deletion waiting.
"""

import asyncio
from collections.abc import Callable, Mapping

from client.api import Client
from client.errors import if_found
from client.kinds import SECRET
from client.store import ObjectKey, key_of
from kube.instances import secret_names
from kube.objects import Object
from nodeagent.domain.build import domain_xml
from nodeagent.domain.spec import refuse_what_is_not_provided
from nodeagent.instance.node import Node
from nodeagent.volumes.cloudinit import Secrets, decoded

AT_ONCE = 64
"""How many guests are prepared at the same time; others wait for their turn."""


class Preparations:
    """Prepares guests side by side. Each is known by the uid of its instance."""

    def __init__(self, client: Client, node: Node, done: Callable[[ObjectKey], None]) -> None:
        """``done`` is told of each instance whose preparation has ended, well or not."""
        self._client = client
        self._node = node
        self._done = done
        self._tasks: dict[str, asyncio.Task[str]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    def result(self, instance: Object) -> str | None:
        """Return the XML of the instance's domain once all is prepared; begin with it if that was not done yet.

        None until then, and when the preparation was given up. A result is given once.
        Raises VolumeError, PassageError, NetworkError, UnsupportedError, HypervisorError, ApiError.
        """
        uid, key = instance["metadata"]["uid"], key_of(instance)
        task = self._tasks.get(uid)
        if task is None:
            task = self._tasks[uid] = asyncio.create_task(self._prepare(instance), name=f"prepare-{key}")
            task.add_done_callback(lambda ended: self._ended(key, uid, ended))
        if not task.done():
            return None
        del self._tasks[uid]
        return None if task.cancelled() else task.result()

    def cancel(self, uid: str) -> None:
        """Begin to give up a preparation, if there is one."""
        if (task := self._tasks.get(uid)) is not None:
            task.cancel()

    async def forget(self, uid: str) -> None:
        """Give up a preparation, if there is one, and return when it has ended."""
        if (task := self._tasks.pop(uid, None)) is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """Give up all of them."""
        for uid in list(self._tasks):
            self.cancel(uid)
        for uid in list(self._tasks):
            await self.forget(uid)

    def _ended(self, key: ObjectKey, uid: str, task: asyncio.Task[str]) -> None:
        if task.cancelled():
            # Of an instance that is gone nobody asks for the result.
            self._tasks.pop(uid, None)
        self._done(key)

    async def _prepare(self, instance: Object) -> str:
        refuse_what_is_not_provided(instance["spec"])
        async with self._turns:
            secrets = await self._secrets(instance)
            volumes, runtime = await self._node.workspaces.prepare(instance, secrets)
            attached = await self._node.network.attach(instance)
        return domain_xml(
            instance,
            host=self._node.host,
            configuration=self._node.configuration.now,
            volumes=volumes,
            attached=attached,
            runtime=runtime,
        )

    async def _secrets(self, instance: Object) -> Secrets:
        """Return the Secrets that the instance mentions; a missing one is left out."""
        found: dict[str, Mapping[str, bytes]] = {}
        for name in secret_names(instance):
            secret = await if_found(self._client.get(SECRET, name, instance["metadata"]["namespace"]))
            if secret is not None:
                found[name] = decoded(secret)
        return found
