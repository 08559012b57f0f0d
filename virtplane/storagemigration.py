"""Writing every stored object again, so that nothing is left in the versions of earlier releases.

It is a client like any other and runs beside all the others: the server writes an object again only where its stored
version is old (``apiserver/registry/revision.py``), so a second run, or one that goes on after an interruption, finds
the rest. Source of the method: Kubernetes' storage version migrator (KEP-2855).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from client.api import Client
from client.discovery import discover
from client.errors import ApiError, KubeconfigError
from client.kinds import Kind
from kube.groups import is_kubevirt
from kube.objects import Object
from virtplane.errors import VirtplaneError
from virtplane.home import Home
from virtplane.settings import Settings

PAGE = 500
AT_ONCE = 16
"""Requests under way: fewer than the server allows one user, who has other work too."""
_ALREADY_DONE = {404, 409}
"""Gone, or written by somebody else meanwhile, which is as good."""


class StorageMigrationError(VirtplaneError):
    """Not everything could be written again."""


@dataclass(slots=True)
class Progress:
    """How far one kind is."""

    kind: Kind
    seen: int = 0
    rewritten: int = 0
    refused: int = 0
    why: str = ""
    """What the server said the last time it refused."""

    def __str__(self) -> str:
        name = f"{self.kind.plural}.{self.kind.group}" if self.kind.group else self.kind.plural
        told = f"{name}: {self.seen} objects, {self.rewritten} rewritten"
        return f"{told}, {self.refused} refused: {self.why}" if self.refused else told


async def migrate_own_storage(settings: Settings, tell: Callable[[str], None]) -> None:
    """Rewrite what the server of this installation stores; ``tell`` is given a line whenever there is progress.

    Raises StorageMigrationError when the server cannot be reached or refused something.
    """
    kubeconfig = settings.cluster if settings.in_kubernetes else Home.of(settings).kubeconfig
    try:
        async with Client.from_kubeconfig(kubeconfig, "virtplane-migrate-storage") as client:
            refused = await migrate_storage(client, tell, others_too=not settings.in_kubernetes)
    except KubeconfigError as unusable:
        raise StorageMigrationError(f"{unusable}. Start the server first: `virtplane up`") from unusable
    except ApiError as error:
        raise StorageMigrationError(f"the server does not answer: {error}. Run this again, it goes on") from error
    if refused:
        raise StorageMigrationError(f"{refused} objects were refused and stay as they are; the lines above say why")


async def migrate_storage(client: Client, tell: Callable[[str], None], *, others_too: bool = True) -> int:
    """Rewrite everything that ``client``'s server stores in old versions; return how many objects it refused.

    Without ``others_too``, KubeVirt's kinds alone: a cluster stores the rest elsewhere. Raises ApiError when the server
    cannot be reached.
    """
    refused = 0
    for served in await discover(client):
        if {"list", "update"} <= served.verbs and (others_too or is_kubevirt(served.kind.group)):
            progress = Progress(served.kind)
            await _rewrite(client, progress, tell)
            refused += progress.refused
    return refused


async def _rewrite(client: Client, progress: Progress, tell: Callable[[str], None]) -> None:
    after: str | None = None
    while True:
        try:
            page = await client.list(progress.kind, limit=PAGE, after=after)
        except ApiError as error:
            if error.code != 410:
                raise
            after = None  # it took too long: begin again, what is done is soon seen
            continue
        items = page["items"]
        for start in range(0, len(items), AT_ONCE):
            await _rewrite_some(client, items[start : start + AT_ONCE], progress)
        after = page["metadata"].get("continue")
        tell(str(progress))
        if not after:
            return


async def _rewrite_some(client: Client, items: list[Object], progress: Progress) -> None:
    answers = await asyncio.gather(*(client.update(progress.kind, item) for item in items), return_exceptions=True)
    for item, answer in zip(items, answers, strict=True):
        progress.seen += 1
        if not isinstance(answer, BaseException):
            progress.rewritten += answer["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]
        elif not isinstance(answer, ApiError) or answer.code == 0:
            raise answer
        elif answer.code not in _ALREADY_DONE:
            progress.refused += 1
            progress.why = f"{item['metadata']['name']}: {answer}"
