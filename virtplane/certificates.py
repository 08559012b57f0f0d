"""The files of certificates, kept in step with the Secrets from which they come.

They are read anew for each connection, so that what is written is in use; that is what is reported to the controller
that rotates them. In a standalone installation the server's process owns all files below ``pki/``: its own, those of
the controllers and the agent of this host, and the administrator's kubeconfig; what bootstrap made becomes the first
Secrets.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from certs.bootstrap import Pki, needed
from certs.held import Held, Needed
from certs.names import serving_names
from certs.objects import CONSUMERS, Statement, bundle_of, consumers_of, secret_of, statements, trust_in
from certs.pair import Pair
from certs.purposes import LEAVES, PURPOSES, Purpose
from certs.trust import Kept, Trust
from client.api import Client
from client.informer import Informer
from client.kinds import CONFIG_MAP, KUBEVIRT, SECRET, Kind
from client.running import alongside
from client.workqueue import WorkQueue
from kube.certificates import Strategy
from kube.configuration import governing
from kube.installation import NAMESPACE
from kube.objects import Object
from virtplane.home import Home
from virtplane.prepare import write_kubeconfigs
from virtplane.settings import Settings

SAY_AGAIN = timedelta(minutes=1)
_ALL = "all"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """Who holds certificates as files, and what it needs."""

    name: str
    """What it is called among the consumers: different for each process that holds files of its own."""
    held: Held
    needed: Callable[[], Needed]
    """Asked again every minute, as the addresses of a host change."""
    node: str = ""
    """The node it is on, where certificates name that."""

    @property
    def secrets(self) -> frozenset[str] | None:
        """The names of the Secrets that it needs; None for all, where it keeps the authorities, too."""
        return None if self.held.with_authorities else frozenset(leaf.secret for leaf in self.held.leaves)

    @property
    def config_maps(self) -> frozenset[str] | None:
        """The names of the ConfigMaps that it needs; None for all."""
        return (
            None if self.held.with_authorities else frozenset((CONSUMERS, *(p.authority for p in self.held.purposes)))
        )


class CertificateFiles:
    """Keeps the files of one consumer."""

    def __init__(self, client: Client, consumer: Consumer, changed: Callable[[], None]) -> None:
        """``changed()`` is called in a thread after files were replaced."""
        self._client = client
        self._consumer = consumer
        self._held = consumer.held
        self._changed = changed
        self._adopted = not consumer.held.with_authorities
        """Whether Secrets were made of the files, where that is ours to do."""
        self._secrets = _informers(client, SECRET, consumer.secrets)
        self._config_maps = _informers(client, CONFIG_MAP, consumer.config_maps)
        self._queue: WorkQueue[str] = WorkQueue("certificate-files", self.reconcile, workers=1)
        for informer in (*self._secrets, *self._config_maps):
            informer.add_handler(lambda _old, _new: self._queue.add(_ALL))

    async def run(self) -> None:
        """Keep the files in step until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in (*self._secrets, *self._config_maps):
                group.create_task(informer.run(), name="informer-certificate-files")
            for informer in (*self._secrets, *self._config_maps):
                await informer.synced.wait()
            self._queue.add(_ALL)
            await self._queue.run()

    async def reconcile(self, _key: str) -> float:
        """Take over what is stored, and say what is held then. The queue tries again what fails."""
        if not self._adopted:
            await self._adopt()
            self._adopted = True
        now = datetime.now(UTC)
        if await asyncio.to_thread(self._take_over, now):
            log.info("certificates replaced")
        await self._say(await asyncio.to_thread(self._statement, now))
        return SAY_AGAIN.total_seconds()

    def _take_over(self, now: datetime) -> bool:
        trusts = self._trusts(self._statement(now))
        changed = [self._held.take_over(purpose, trust, now) for purpose, trust in trusts.items()]
        if any(changed):
            self._changed()
        return any(changed)

    def _trusts(self, own: Statement) -> Mapping[Purpose, Trust]:
        secrets, config_maps = _by_name(self._secrets), _by_name(self._config_maps)
        said = {self._consumer.name: own}
        return {purpose: trust_in(purpose, secrets, config_maps, said) for purpose in self._held.purposes}

    def _statement(self, now: datetime) -> Statement:
        return self._held.statement(self._consumer.needed(), self._consumer.node, now)

    async def _say(self, own: Statement) -> None:
        config_map = _by_name(self._config_maps).get(CONSUMERS)
        if config_map is None:
            await self._client.create(CONFIG_MAP, consumers_of(self._consumer.name, own))
            return
        before = statements(config_map).get(self._consumer.name)
        if before is None or before.is_due_again(own, SAY_AGAIN):
            patch = {"data": {self._consumer.name: own.json()}}
            written = await self._client.patch(CONFIG_MAP, CONSUMERS, NAMESPACE, patch)
            for informer in self._config_maps:
                informer.observe(written)

    async def _adopt(self) -> None:
        """Make Secrets of the files where there is no authority yet, or one that expired while nothing ran.

        The statement comes after that, and only then does the controller begin its work. An authority that is missing
        after that was deleted: to make another is the controller's.
        """
        now = datetime.now(UTC)
        said = statements(_by_name(self._config_maps).get(CONSUMERS)).values()
        strategy = Strategy.of(governing((await self._client.list(KUBEVIRT))["items"]))
        for purpose, trust in self._trusts(await asyncio.to_thread(self._statement, now)).items():
            if trust.authority is None:
                is_first = not any(purpose.authority in each.trusted for each in said)
            else:
                is_first = now >= trust.authority.pair.certificate.not_valid_after_utc
            if is_first:
                await self._adopt_one(purpose, strategy)

    async def _adopt_one(self, purpose: Purpose, strategy: Strategy) -> None:
        directory, (secrets,), (config_maps,) = self._held.pki.directory, self._secrets, self._config_maps
        authority = await asyncio.to_thread(Pair.load, directory, purpose.file)
        await secrets.put(secret_of(purpose.authority, Kept(authority, strategy.authority.duration)))
        for leaf in self._held.leaves:
            if leaf.purpose is purpose:
                pair = await asyncio.to_thread(Pair.load, directory, leaf.file)
                kept = Kept(pair, strategy.server.duration, authority.certificate)
                await secrets.put(secret_of(leaf.secret, kept))
        await config_maps.put(bundle_of(purpose, [authority.certificate]))


def _informers(client: Client, kind: Kind, names: frozenset[str] | None) -> list[Informer]:
    """Return what follows all objects of a kind, or each of ``names`` by itself, for who may see no others."""
    selectors = [None] if names is None else [f"metadata.name={name}" for name in sorted(names)]
    return [Informer(client, kind, namespace=NAMESPACE, field_selector=each) for each in selectors]


def _by_name(informers: Iterable[Informer]) -> dict[str, Object]:
    return {name: obj for each in informers for name, obj in each.by_name().items()}


def standalone(settings: Settings) -> Consumer:
    """Return the server of a standalone installation, which holds the files of all of it."""
    return Consumer(
        name=settings.node_name,
        held=Held(pki=Pki(Home.of(settings).pki), leaves=LEAVES, purposes=PURPOSES, with_authorities=True),
        needed=lambda: needed(serving_names(settings.address), settings.node_name),
        node=settings.node_name,
    )


def following_certificates(
    settings: Settings, stop: asyncio.Event, ready: asyncio.Event
) -> AbstractAsyncContextManager[None]:
    """Keep the files in step from when the server is ``ready``, for as long as the context lasts.

    A server whose files can no longer be kept is stopped, by ``stop``, and what went wrong is raised in the end.
    """
    return alongside(stop, _follow(settings, ready))


async def _follow(settings: Settings, ready: asyncio.Event) -> None:
    await ready.wait()
    home = Home.of(settings)
    async with Client.from_kubeconfig(home.kubeconfig_of("loopback"), "virtplane-server") as client:
        await CertificateFiles(client, standalone(settings), lambda: write_kubeconfigs(settings, home)).run()
