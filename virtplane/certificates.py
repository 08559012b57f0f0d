"""The files of certificates, kept in step with the Secrets from which they come.

The server's process owns the files below ``pki/``: its own, those of the controllers and the agent of this host, and
the administrator's kubeconfig. All of them are read anew for each connection, so that what is written is in use; that
is what is reported to the controller that rotates them. What bootstrap made becomes the first Secrets.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog
from cryptography import x509

from certs.authority import subject
from certs.bootstrap import AUTHORITY as FILES_OF_AUTHORITY
from certs.bootstrap import Pki, requests
from certs.files import replace_file
from certs.names import serving_names
from certs.objects import (
    AUTHORITY,
    CONSUMERS,
    NAMESPACE,
    bundle_of,
    consumers_of,
    pem,
    secret_of,
    statement,
    trust_in,
)
from certs.pair import Pair
from certs.rotation import served_names
from certs.trust import Kept, Report, Request, Shown, Trust, fingerprint, issuer_of
from client.api import Client
from client.informer import Informer
from client.kinds import CONFIG_MAP, KUBEVIRT, SECRET
from client.workqueue import WorkQueue
from kube.certificates import Strategy
from kube.configuration import governing
from kube.objects import Object
from virtplane.home import Home
from virtplane.prepare import write_kubeconfigs
from virtplane.settings import Settings

SECRETS: Mapping[str, str] = {
    "server": "kubevirt-virt-api-certs",
    "controllers": "kubevirt-controller-certs",
    "agent": "kubevirt-virt-handler-certs",
    "admin": "virtplane-admin-certs",
    "loopback": "virtplane-api-loopback-certs",
}
"""Files below ``pki/``, and the Secrets that hold the same."""
_ALL = "all"

log = structlog.get_logger(__name__)


class CertificateFiles:
    """Keeps one installation's files."""

    def __init__(self, client: Client, settings: Settings, changed: Callable[[], None]) -> None:
        """``changed()`` is called in a thread after files were replaced."""
        self._client = client
        self._changed = changed
        self._consumer = settings.node_name
        self._pki = Pki(Home.of(settings).pki)
        asked = requests(serving_names(settings.address), settings.node_name)
        self._wanted: dict[str, Request] = {SECRETS[name]: request for name, request in asked.items()}
        self._secrets = Informer(client, SECRET, namespace=NAMESPACE)
        self._config_maps = Informer(client, CONFIG_MAP, namespace=NAMESPACE)
        self._kubevirts = Informer(client, KUBEVIRT)
        self._informers = (self._secrets, self._config_maps, self._kubevirts)
        self._queue: WorkQueue[str] = WorkQueue("certificate-files", self.reconcile, workers=1)
        for informer in self._informers:
            informer.add_handler(lambda _old, _new: self._queue.add(_ALL))

    async def run(self) -> None:
        """Keep the files in step until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers:
                group.create_task(informer.run(), name="informer-certificate-files")
            for informer in self._informers:
                await informer.synced.wait()
            self._queue.add(_ALL)
            await self._queue.run()

    async def reconcile(self, _key: str) -> None:
        """Adopt the files where nothing is stored yet, take over what is stored, and say what is held then."""
        config_maps = self._config_maps.by_name()
        secrets = self._secrets.by_name()
        # All the Secrets that this process wants, whether it has said so before or not.
        trust = trust_in(secrets, {**config_maps, CONSUMERS: self._saying(config_maps)})
        if _nothing_usable(trust, first=CONSUMERS not in config_maps):
            files = await asyncio.to_thread(_held, self._pki, FILES_OF_AUTHORITY)
            if files is not None and datetime.now(UTC) < files.certificate.not_valid_after_utc:
                await self._adopt(files)
                return
        if await asyncio.to_thread(self._take_over, trust):
            log.info("certificates replaced")
        await self._report(config_maps.get(CONSUMERS))

    def _saying(self, config_maps: Mapping[str, Object]) -> Object:
        known = config_maps.get(CONSUMERS) or {"data": {}}
        said = statement(self._wanted, Report(frozenset(), {}))
        return {**known, "data": {**(known.get("data") or {}), self._consumer: said}}

    async def _adopt(self, authority: Pair) -> None:
        """Make Secrets of the files. The statement comes last: only then does the controller begin its work."""
        strategy = Strategy.of(governing(self._kubevirts.all()))
        kept = Kept(authority, strategy.authority.duration)
        await self._secrets.put(secret_of(AUTHORITY, kept))
        for name, secret in SECRETS.items():
            pair = await asyncio.to_thread(Pair.load, self._pki.directory, name)
            leaf = Kept(pair, strategy.server.duration, authority.certificate)
            await self._secrets.put(secret_of(secret, leaf))
        await self._config_maps.put(bundle_of([authority.certificate]))
        await self._report(self._config_maps.get(CONSUMERS, NAMESPACE))

    def _take_over(self, trust: Trust) -> bool:
        """Write what differs: the bundle first, so that nobody shows what it does not cover. Return True for any."""
        now = datetime.now(UTC)
        held = {name: _held(self._pki, name) for name in SECRETS}
        before = self._pki.authority.read_bytes()
        trusted = [each for each in trust.bundle if now < each.not_valid_after_utc] or _parsed(before)
        changed = self._write_bundle(trust, trusted)
        for name, secret in SECRETS.items():
            kept, present = trust.leaves.get(secret), held[name]
            if (
                kept is None
                or kept.issuer not in trusted
                or not _is_fit(kept.pair.certificate, self._wanted[secret], now)
            ):
                continue
            if present is None or present.certificate != kept.pair.certificate:
                kept.pair.save(self._pki.directory, name)
                changed = True
        if changed:
            self._changed()
        return changed

    def _write_bundle(self, trust: Trust, trusted: list[x509.Certificate]) -> bool:
        """Write the bundle and the authority's key, so that the key always belongs to one of the bundle."""
        signer, present = trust.authority, _held(self._pki, FILES_OF_AUTHORITY)
        wanted = pem(trusted)
        replaced = signer is not None and signer.pair.certificate in trusted
        if signer is not None and replaced and (present is None or present.certificate != signer.pair.certificate):
            both = [*trusted, present.certificate] if present is not None else trusted
            replace_file(self._pki.authority, pem(both), 0o644)
            replace_file(self._pki.key(FILES_OF_AUTHORITY), signer.pair.key_pem, 0o600)
        elif present is not None and present.certificate not in trusted:
            wanted += present.certificate_pem  # its key is still the one at hand
        if self._pki.authority.read_bytes() == wanted:
            return False
        replace_file(self._pki.authority, wanted, 0o644)
        return True

    async def _report(self, config_map: Object | None) -> None:
        said = statement(self._wanted, await asyncio.to_thread(self._holding))
        if config_map is None:
            await self._client.create(CONFIG_MAP, consumers_of(self._consumer, said))
        elif (config_map.get("data") or {}).get(self._consumer) != said:
            patch: Object = {"data": {self._consumer: said}}
            self._config_maps.observe(await self._client.patch(CONFIG_MAP, CONSUMERS, NAMESPACE, patch))

    def _holding(self) -> Report:
        trusted = _parsed(self._pki.authority.read_bytes())
        shown: dict[str, Shown] = {}
        for name, secret in SECRETS.items():
            leaf = Pair.load(self._pki.directory, name).certificate
            if (issuer := issuer_of(leaf, trusted)) is not None:
                shown[secret] = Shown(fingerprint(leaf), issuer, leaf.not_valid_after_utc)
        return Report(frozenset(map(fingerprint, trusted)), shown)


@asynccontextmanager
async def following_certificates(settings: Settings, stop: asyncio.Event, ready: asyncio.Event) -> AsyncGenerator[None]:
    """Keep the files in step from when the server is ``ready``, for as long as the context lasts.

    A server whose files can no longer be kept is stopped, by ``stop``, and what went wrong is raised in the end.
    """
    following = asyncio.create_task(_follow(settings, ready), name="certificate-files")
    following.add_done_callback(lambda _: stop.set())
    try:
        yield
    finally:
        following.cancel()
        await asyncio.wait((following,))
    if not following.cancelled() and (wrong := following.exception()) is not None:
        raise wrong


async def _follow(settings: Settings, ready: asyncio.Event) -> None:
    await ready.wait()
    home = Home.of(settings)
    async with Client.from_kubeconfig(home.kubeconfig_of("loopback"), "virtplane-server") as client:
        await CertificateFiles(client, settings, lambda: write_kubeconfigs(settings, home)).run()


def _nothing_usable(trust: Trust, *, first: bool) -> bool:
    """Return True at the first start, and after so long a time that the stored authority has expired.

    A Secret that is missing later on was deleted: making another is the controller's.
    """
    if trust.authority is None:
        return first
    return datetime.now(UTC) >= trust.authority.pair.certificate.not_valid_after_utc


def _is_fit(leaf: x509.Certificate, request: Request, now: datetime) -> bool:
    named = leaf.subject == subject(request.user, request.groups) and set(request.names) <= set(served_names(leaf))
    return named and now < leaf.not_valid_after_utc


def _held(pki: Pki, name: str) -> Pair | None:
    try:
        return Pair.load(pki.directory, name)
    except (FileNotFoundError, ValueError):
        return None


def _parsed(bundle: bytes) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(bundle)
