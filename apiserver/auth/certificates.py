"""Whose client certificates are, by the authority that signed them.

TLS has verified against all authorities at once that a client may show its certificate. What that says depends on which
of them signed it, and a connection may outlive the certificate, and the trust in its authority: so each request asks
anew, as kube-apiserver does. Only authorities that are themselves trusted count, not what they might have signed.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

from cryptography import x509
from cryptography.x509.oid import NameOID

from apiserver.auth.identities import known
from apiserver.machinery.resource import Caller
from certs.bundles import Bundles
from certs.purposes import AGENT, AGENTS, CLIENTS, CONTROLLER, CONTROLLERS, Purpose, purpose_of
from certs.trust import signed_by
from kube.users import AUTHENTICATED

REMEMBERED = 1024
"""How many certificates are remembered, so that only a connection's first request takes the time to verify it."""


class CertificateOwners(Protocol):
    """Knows whose certificates are."""

    def owner(self, certificate: bytes, headers: Mapping[str, str], /) -> Caller | None:
        """Return who shows ``certificate`` (DER) and sends ``headers``; None for nobody."""
        ...


class Authorities:
    """Some certificate authorities, and what they have signed."""

    def __init__(self, certificates: Iterable[x509.Certificate]) -> None:
        self.certificates = tuple(certificates)
        self._verified = lru_cache(REMEMBERED)(self._verify)

    def signed(self, certificate: bytes) -> x509.Certificate | None:
        """Return a certificate (DER) that one of them signed and that is valid now, or None."""
        leaf, end = self._verified(certificate)
        return leaf if leaf is not None and datetime.now(UTC) < end else None

    def _verify(self, certificate: bytes) -> tuple[x509.Certificate | None, datetime]:
        leaf = x509.load_der_x509_certificate(certificate)
        # An authority may have been renewed with its old key: then there are two.
        ends = [each.not_valid_after_utc for each in self.certificates if signed_by(leaf, each)]
        return (leaf, min(leaf.not_valid_after_utc, max(ends))) if ends else (None, leaf.not_valid_after_utc)


class InstallationCertificates:
    """What the installation's own authorities have signed: each may name only some."""

    def __init__(self, bundles: Bundles) -> None:
        self._bundles = bundles
        self._authorities = Authorities(())

    def owner(self, certificate: bytes, _headers: Mapping[str, str]) -> Caller | None:
        """Return whom a certificate (DER) names, if whoever signed it is trusted now and may name them."""
        if (trusted := self._bundles.trusted()) is not self._authorities.certificates:
            self._authorities = Authorities(trusted)
        leaf = self._authorities.signed(certificate)
        return _named(leaf) if leaf is not None else None


@lru_cache(REMEMBERED)
def _named(certificate: x509.Certificate) -> Caller | None:
    caller, purpose = from_subject(certificate), purpose_of(common_name(certificate.issuer))
    return caller if caller is not None and _may_name(purpose, caller) else None


def _may_name(purpose: Purpose | None, caller: Caller) -> bool:
    """Return True when an authority may vouch for a caller: who has its key can be no more than that."""
    groups = caller.groups - {AUTHENTICATED}
    if purpose is CLIENTS:
        return True
    if purpose is CONTROLLERS:
        return caller.name == CONTROLLER.user and groups == frozenset(CONTROLLER.groups)
    is_node = caller.name.startswith(AGENT.user) and caller.name != AGENT.user
    return purpose is AGENTS and is_node and groups == frozenset(AGENT.groups)


def from_subject(certificate: x509.Certificate) -> Caller | None:
    """Return whom a certificate names: the common name is the user, organizations are groups; None for nobody."""
    name = common_name(certificate.subject)
    groups = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return known(name, (str(each.value) for each in groups)) if name else None


def common_name(named: x509.Name) -> str:
    """Return the common name in a subject or an issuer, the last one as Go reads it; empty where there is none."""
    names = named.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[-1].value) if names else ""
