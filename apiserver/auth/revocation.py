"""Revoked nodes: what their agents were given is worth nothing from the moment that somebody says so.

It is asked with each request, as a connection outlives the handshake; and whatever is under way is cut off, on every
replica, when the ConfigMap changes that names the nodes (see :mod:`kube.revocation`).
"""

import asyncio
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import structlog
from cryptography import x509

from apiserver.auth.certificates import REMEMBERED, CertificateOwners
from apiserver.machinery.resource import Caller, Stored
from apiserver.storage.contract import CompactedError, FutureRevisionError, Selection, Store, UnavailableError
from certs.authority import issued_at
from kube.installation import NAMESPACE
from kube.revocation import CONFIG_MAP, revoked_at

RETRY_SECONDS = 0.5
"""How soon the ConfigMap is looked at again after that failed."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _UnderWay:
    node: str
    certificate: bytes
    cut: Callable[[], None]


class Revocations:
    """Knows which certificates of agents are worth nothing, and what is under way by the others."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._issued_at = lru_cache(REMEMBERED)(lambda der: issued_at(x509.load_der_x509_certificate(der)))
        self._under_way: set[_UnderWay] = set()

    def refuses(self, node: str, certificate: bytes) -> bool:
        """Return True when ``node`` was revoked since its agent was given ``certificate`` (DER)."""
        revoked = revoked_at(self._stored.one("configmaps", NAMESPACE, CONFIG_MAP), node)
        return revoked is not None and self._issued_at(certificate) <= revoked

    @contextmanager
    def watching(self, node: str, certificate: bytes, cut: Callable[[], None]) -> Generator[None]:
        """Call ``cut`` when, in the context, the node is revoked that shows ``certificate`` (DER)."""
        this = _UnderWay(node, certificate, cut)
        self._under_way.add(this)
        try:
            yield
        finally:
            self._under_way.discard(this)

    async def enforce(self, store: Store) -> None:
        """Cut off what is under way by who is revoked, whenever ``store`` tells of another, until cancelled."""
        named = Selection(namespace=NAMESPACE, name=CONFIG_MAP)
        while True:
            try:
                async with store.watch("configmaps", named, after=await store.latest()) as watch:
                    while True:
                        self._cut()
                        await watch.take()
            except (CompactedError, FutureRevisionError, UnavailableError) as error:
                log.warning("cannot follow which nodes are revoked, will retry", why=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    def _cut(self) -> None:
        for each in [each for each in self._under_way if self.refuses(each.node, each.certificate)]:
            log.info("what a revoked node had under way is cut off", node=each.node)
            each.cut()


class UnrevokedCertificates:
    """Knows whose certificates are, other than those of revoked nodes."""

    def __init__(self, owners: CertificateOwners, revocations: Revocations) -> None:
        self._owners = owners
        self._revocations = revocations

    def owner(self, certificate: bytes, headers: Mapping[str, str]) -> Caller | None:
        """Return who shows ``certificate`` (DER) and sends ``headers``; None for nobody."""
        caller = self._owners.owner(certificate, headers)
        if caller is None or caller.node is None or not self._revocations.refuses(caller.node, certificate):
            return caller
        log.info("a certificate of a revoked node is refused", node=caller.node)
        return None
