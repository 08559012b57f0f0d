"""``virtplane install``: puts Virtplane into a Kubernetes cluster through the API, and waits until it works.

It applies what ``kubectl apply -k deploy/overlays/…`` would, on the server's side, in an order in which everything
finds what it needs. Safe to run again at any time: that is how an installation is upgraded.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from client.api import Client
from client.kinds import (
    API_SERVICE,
    DAEMON_SET,
    DEPLOYMENT,
    NAMESPACE,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SECRET,
    Kind,
)
from kube.installation import NAMESPACE as INSTALL_NAMESPACE
from kube.objects import Object
from virtplane.kubernetes.manifests import KINDS, PART_OF, installation, kind_of
from virtplane.kubernetes.preconditions import (
    DATABASE,
    InstallError,
    chosen_overlay,
    require_free_groups,
    require_rights,
)
from virtplane.kubernetes.rollout import troubles, unready

OURS = f"{PART_OF}=virtplane"
"""Selects the objects of an installation."""
POLL_SECONDS = 0.5
_PODS_OF = "app.kubernetes.io/name"
_KEPT = {NAMESPACE, SECRET, PERSISTENT_VOLUME_CLAIM}
"""What holds data, and is never deleted because a release no longer names it."""

Tell = Callable[[str], None]
"""Is given a line whenever there is progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to install."""

    overlay: str | None = None
    """None for the one that is installed; ``sqlite`` where there is none."""
    image: str = ""
    """Empty for the manifests' own."""
    database_url: str = ""
    """PostgreSQL's; empty where the Secret is there."""
    data_volumes: bool = True
    """False where CDI serves DataVolumes."""
    seconds: float = 300
    """How long to wait for the programs, and then for their APIs."""


async def install(client: Client, wanted: Wanted, tell: Tell) -> None:
    """Install, or upgrade, and wait until all works.

    Raises InstallError, mostly before anything was done; ApiError when the cluster refuses something or is away.
    """
    await require_rights(client)
    overlay = await chosen_overlay(client, wanted.overlay, wanted.database_url)
    objects = installation(overlay, data_volumes=wanted.data_volumes, image=wanted.image)
    if wanted.database_url:
        objects.insert(1, _database(wanted.database_url))
    await require_free_groups(client, objects)
    services = [each for each in objects if kind_of(each) == API_SERVICE]
    await _apply(client, [each for each in objects if each not in services], tell)
    await _until_ready(client, (DEPLOYMENT, DAEMON_SET), wanted.seconds, tell)
    # Only now: a group that does not answer holds up the deletion of every namespace in the cluster.
    await _apply(client, services, tell)
    await _prune(client, objects, tell)
    await _until_ready(client, (API_SERVICE,), wanted.seconds, tell)


async def report(client: Client, tell: Tell) -> bool | None:
    """Tell how an installation is; return whether all of it is ready, or None when there is none. Raises ApiError."""
    found = [each for kind in (DEPLOYMENT, DAEMON_SET, API_SERVICE) for each in await ours(client, kind)]
    waiting = await _waiting(client, found)
    for each in found:
        tell(f"{called(each)}: {waiting.get(called(each), 'ready')}")
    return not waiting if found else None


async def ours(client: Client, kind: Kind) -> list[Object]:
    """Return the objects of a kind that belong to an installation. Raises ApiError."""
    return (await client.list(kind, label_selector=OURS))["items"]


def called(obj: Object) -> str:
    """Return what to call an object when talking to the user."""
    return f"{obj['kind']} {obj['metadata']['name']}"


async def settle(waiting: Callable[[], Awaitable[dict[str, str]]], seconds: float, tell: Tell, done: str) -> None:
    """Wait until nothing is ``waiting``: what, and for what, told whenever it changes, and that it is ``done``.

    Raises InstallError after so many ``seconds``.
    """
    told: dict[str, str] = {}
    try:
        async with asyncio.timeout(seconds):
            while now := await waiting():
                _tell_changes(told, now, tell, done)
                told = now
                await asyncio.sleep(POLL_SECONDS)
            _tell_changes(told, {}, tell, done)
    except TimeoutError:
        why = "\n".join(f"  {name}: {why}" for name, why in told.items())
        raise InstallError(f"not {done} within {seconds:g} seconds:\n{why}\nPut that right and run it again") from None


def _tell_changes(before: dict[str, str], now: dict[str, str], tell: Tell, done: str) -> None:
    for name, why in now.items():
        if before.get(name) != why:
            tell(f"{name}: {why}")
    for name in before:
        if name not in now:
            tell(f"{name}: {done}")


def _database(url: str) -> Object:
    metadata = {"name": DATABASE, "namespace": INSTALL_NAMESPACE, "labels": {PART_OF: "virtplane"}}
    data = {"url": base64.b64encode(url.encode()).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


async def _apply(client: Client, objects: Iterable[Object], tell: Tell) -> None:
    """Apply ``objects``, those of a kind together."""
    claims = {_key(each) for each in await ours(client, PERSISTENT_VOLUME_CLAIM)}
    for kind, of_kind in groupby(objects, kind_of):
        # A claim is made once: it may have been expanded since, and cannot shrink.
        wanted = [each for each in of_kind if _key(each) not in claims]
        await asyncio.gather(*(client.apply(kind, each) for each in wanted))
        for each in wanted:
            tell(f"{called(each)}: applied")


async def _prune(client: Client, objects: Iterable[Object], tell: Tell) -> None:
    """Delete what an earlier release, or another choice, had and this one does not."""
    wanted = {_key(each) for each in objects}
    for kind in KINDS:
        if kind in _KEPT:
            continue
        for each in await ours(client, kind):
            if _key(each) not in wanted:
                await client.delete(kind, each["metadata"]["name"], each["metadata"].get("namespace"))
                tell(f"{called(each)}: deleted, as it is no longer a part of the installation")


def _key(obj: Object) -> tuple[str, str, str]:
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


async def _until_ready(client: Client, kinds: Sequence[Kind], seconds: float, tell: Tell) -> None:
    async def waiting() -> dict[str, str]:
        return await _waiting(client, [each for kind in kinds for each in await ours(client, kind)])

    await settle(waiting, seconds, tell, "ready")
    tell(f"all {' and '.join(f'{kind.kind}s' for kind in kinds)} are ready")


async def _waiting(client: Client, objects: Iterable[Object]) -> dict[str, str]:
    """Return what is not ready, by what it is called, and why."""
    waiting = {called(each): [why] for each in objects if (why := unready(each)) is not None}
    if waiting:
        for pod in (await client.list(POD, INSTALL_NAMESPACE, label_selector=OURS))["items"]:
            owners = [each for each in objects if _runs(each, pod) and called(each) in waiting]
            for owner in owners:
                waiting[called(owner)] += [f"{pod['metadata']['name']}: {why}" for why in troubles(pod)]
    return {name: "; ".join(why) for name, why in waiting.items()}


def _runs(workload: Object, pod: Object) -> bool:
    return workload["metadata"]["name"] == pod["metadata"]["labels"].get(_PODS_OF)
