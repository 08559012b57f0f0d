"""Events: what happened to an object, for people to read. Recording one never fails and never waits.

The same thing happening again to the same object raises the count of one Event instead of making a new one. Source
of the rules: client-go's ``tools/record``.
"""

import asyncio
import secrets
from collections import OrderedDict
from typing import NamedTuple

import structlog

from client.api import Client
from client.errors import ApiError
from client.kinds import EVENT
from kube.objects import Object
from kube.timestamps import to_time, utc_now

CAPACITY = 1000
REMEMBERED = 4096
"""How many different Events are remembered in order to count repeats."""
LONGEST_MESSAGE = 1024
"""The API refuses longer ones (``k8s.io/kubernetes/pkg/apis/core/validation``)."""

log = structlog.get_logger(__name__)


class Happening(NamedTuple):
    """What makes two events the same: same object, type, reason and message."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    type: str
    reason: str
    message: str


class Recorded(NamedTuple):
    """The Event object that tells of a happening."""

    name: str
    times: int


class EventRecorder:
    """Records Events in the name of one component."""

    def __init__(self, client: Client, component: str, *, host: str = "", capacity: int = CAPACITY) -> None:
        self._client = client
        self._source = {"component": component} | ({"host": host} if host else {})
        self._waiting: asyncio.Queue[tuple[Happening, str]] = asyncio.Queue(capacity)
        self._recorded: OrderedDict[Happening, Recorded] = OrderedDict()

    def normal(self, obj: Object, reason: str, message: str) -> None:
        """Record something that is as it should be."""
        self._record(obj, "Normal", reason, message)

    def warning(self, obj: Object, reason: str, message: str) -> None:
        """Record something that a person should look at."""
        self._record(obj, "Warning", reason, message)

    async def run(self) -> None:
        """Write recorded events until cancelled; what cannot be written is logged and dropped."""
        while True:
            happening, moment = await self._waiting.get()
            try:
                await self._write(happening, moment)
            except ApiError as error:
                log.warning("event not written", reason=happening.reason, name=happening.name, error=str(error))

    def _record(self, obj: Object, kind: str, reason: str, message: str) -> None:
        metadata = obj["metadata"]
        where = (obj["apiVersion"], obj["kind"], metadata.get("namespace", ""), metadata["name"], metadata["uid"])
        happening = Happening(*where, kind, reason, message[:LONGEST_MESSAGE])
        try:
            self._waiting.put_nowait((happening, to_time(utc_now())))
        except asyncio.QueueFull:
            log.warning("event dropped, too many wait", reason=reason, name=metadata["name"])

    async def _write(self, happening: Happening, moment: str) -> None:
        recorded = self._recorded.get(happening)
        if recorded is not None and await self._count(happening, recorded, moment):
            return
        created = await self._client.create(EVENT, self._event(happening, moment))
        self._remember(happening, Recorded(created["metadata"]["name"], 1))

    async def _count(self, happening: Happening, recorded: Recorded, moment: str) -> bool:
        """Raise the count of an Event; return False when it is gone."""
        patch = {"count": recorded.times + 1, "lastTimestamp": moment}
        try:
            await self._client.patch(EVENT, recorded.name, happening.namespace or "default", patch)
        except ApiError as error:
            if error.not_found:
                return False
            raise
        self._remember(happening, Recorded(recorded.name, recorded.times + 1))
        return True

    def _remember(self, happening: Happening, recorded: Recorded) -> None:
        self._recorded[happening] = recorded
        self._recorded.move_to_end(happening)
        if len(self._recorded) > REMEMBERED:
            self._recorded.popitem(last=False)

    def _event(self, happening: Happening, moment: str) -> Object:
        # Events of cluster-scoped objects live in the default namespace.
        namespace = happening.namespace or "default"
        involved = {
            "apiVersion": happening.api_version,
            "kind": happening.kind,
            "namespace": happening.namespace,
            "name": happening.name,
            "uid": happening.uid,
        }
        return {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {"name": f"{happening.name[:230]}.{secrets.token_hex(8)}", "namespace": namespace},
            "involvedObject": {name: value for name, value in involved.items() if value},
            "type": happening.type,
            "reason": happening.reason,
            "message": happening.message,
            "source": self._source,
            "reportingComponent": self._source["component"],
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
        }
