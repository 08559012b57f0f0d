"""What a server that is part of a Kubernetes cluster reads there: the kinds of others that its own rules look at.

Nothing else is read, and nothing is written. What is known is a moment old, as on any replica of kube-apiserver.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import structlog

from apiserver.machinery import errors
from apiserver.machinery.resource import Object
from client.api import Client
from client.errors import ApiError
from client.informer import IDENTITY, Informer
from client.kinds import (
    CONTROLLER_REVISION,
    DATA_SOURCE,
    DATA_VOLUME,
    LIMIT_RANGE,
    NAMESPACE,
    NODE,
    PERSISTENT_VOLUME_CLAIM,
    PRIORITY_CLASS,
    RESOURCE_QUOTA,
    Kind,
)
from client.store import key_of
from kube.instancetypes.matchers import NAME_LABEL

WAIT_SECONDS = 10.0
"""How often it is told what is waited for."""
LOOK_AGAIN_SECONDS = 60.0
"""How soon the containerized data importer is looked for again."""
RETRY_SECONDS = 1.0
_BY_NAMESPACE = "namespace"
_ENDPOINT = ("addresses", "daemonEndpoints")

log = structlog.get_logger(__name__)


def _metadata(obj: Object, *more: str) -> Object:
    return {"metadata": {name: value for name, value in obj["metadata"].items() if name in IDENTITY or name in more}}


def _node(node: Object) -> Object:
    """Return where a node's agent is reached: the rest, such as all its images, is much, and changes often."""
    status = node.get("status", {})
    return {**_metadata(node, "annotations"), "status": {name: status[name] for name in _ENDPOINT if name in status}}


@dataclass(frozen=True, slots=True)
class Reading:
    """How a kind is read."""

    label_selector: str | None = None
    metadata_only: bool = False
    trim: Callable[[Object], Object] | None = None
    """Returns what is kept of each object; None for all of it."""


READ: Mapping[Kind, Reading] = {
    # Nothing is created where there is no namespace.
    NAMESPACE: Reading(metadata_only=True),
    # What guests get by default, and may ask for.
    LIMIT_RANGE: Reading(),
    # How much all guests of a namespace may use together.
    RESOURCE_QUOTA: Reading(),
    # A guest names one that exists.
    PRIORITY_CLASS: Reading(metadata_only=True),
    # Instance types are inferred from their labels.
    PERSISTENT_VOLUME_CLAIM: Reading(metadata_only=True, trim=lambda claim: _metadata(claim, "labels")),
    # What machines are made of, as it was when they began to use it.
    CONTROLLER_REVISION: Reading(label_selector=NAME_LABEL),
    # Consoles are where the guest's node says.
    NODE: Reading(trim=_node),
}
"""What is read of every cluster: what the server's ClusterRole allows in ``deploy/``, no less and no more."""
READ_OF_IMPORTER: Mapping[Kind, Reading] = {DATA_VOLUME: Reading(), DATA_SOURCE: Reading()}
"""What is read, too, where the containerized data importer serves its kinds itself, once it is installed."""


class ClusterObjects:
    """The cluster's objects in memory (see :class:`apiserver.machinery.resource.Stored`)."""

    def __init__(self, client: Client, *, importer: bool) -> None:
        """``importer`` says that the containerized data importer serves ``cdi.kubevirt.io`` in the cluster, if any."""
        self._client = client
        self._always = [_informer(client, kind, how) for kind, how in READ.items()]
        self._importers = [_informer(client, kind, how) for kind, how in READ_OF_IMPORTER.items()] if importer else []
        self._looked_for_importer = asyncio.Event()
        self._informers = {each.kind.qualified: each for each in (*self._always, *self._importers)}

    def holds(self, kind: str) -> bool:
        """Return True for a kind (``plural.group``) that is the cluster's."""
        return kind in self._informers

    def one(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return an object that is known, or None."""
        return self._informers[kind].get(name, namespace)

    def all(self, kind: str, namespace: str | None = None) -> Iterator[Object]:
        """Yield the objects of a namespace, or of all."""
        informer = self._informers[kind]
        return iter(informer.all() if namespace is None else informer.by_index(_BY_NAMESPACE, namespace))

    async def look_up(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return an object, or None: what is not known may just have been made, and is asked for. Raises 503."""
        if (known := self.one(kind, namespace, name)) is not None:
            return known
        try:
            return await self._client.get(self._informers[kind].kind, name, namespace)
        except ApiError as error:
            if error.not_found:
                return None
            raise errors.unavailable("the cluster's API server cannot be asked; please try again") from error

    async def run(self) -> None:
        """Keep what is known current until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._always:
                group.create_task(informer.run(), name=f"cluster-{informer.kind.plural}")
            if self._importers:
                await self._find_importer()
            for informer in self._importers:
                group.create_task(informer.run(), name=f"cluster-{informer.kind.plural}")
                await informer.synced.wait()
            self._looked_for_importer.set()

    async def _find_importer(self) -> None:
        """Return once ``cdi.kubevirt.io`` is served; nobody tells of it."""
        while True:
            try:
                await self._client.document(self._importers[0].kind.root, "application/json")
            except ApiError as error:
                if error.not_found:
                    self._looked_for_importer.set()
                await asyncio.sleep(LOOK_AGAIN_SECONDS if error.not_found else RETRY_SECONDS)
            else:
                return

    async def known(self) -> None:
        """Return once everything is known, and tell meanwhile what is waited for."""
        for informer in self._always:
            await _waited(informer.synced, informer.kind.qualified)
        await _waited(self._looked_for_importer, "the containerized data importer")

    async def check(self) -> None:
        """Raise when what is known may be old (``apiserver.http.health.Check``)."""
        if late := [each.kind.qualified for each in self._always if each.out_of_touch]:
            raise TimeoutError(f"the cluster does not tell of {', '.join(late)}")


def _informer(client: Client, kind: Kind, how: Reading) -> Informer:
    return Informer(
        client,
        kind,
        label_selector=how.label_selector,
        indexers={_BY_NAMESPACE: lambda obj: [key_of(obj).namespace]},
        metadata_only=how.metadata_only,
        trim=how.trim,
    )


async def _waited(event: asyncio.Event, what: str) -> None:
    while not event.is_set():
        try:
            await asyncio.wait_for(event.wait(), WAIT_SECONDS)
        except TimeoutError:
            log.info("waiting for the cluster", for_what=what)
