"""What is known of one authority and all that it signs: as stored, as wanted, and as its consumers hold it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from certs.authority import CLOCK_SKEW, Life, alternatives, issue_client, issue_server, subject
from certs.pair import Pair

SILENCE = timedelta(minutes=3)
"""How long a consumer may say nothing; it says the same again every minute."""
PATIENCE = timedelta(minutes=2)
"""How long consumers have to follow when an authority was removed, as it may be because its key has leaked."""
UNREADABLE = (ValueError, UnsupportedAlgorithm, x509.InvalidVersion)
"""What reading a certificate raises that nobody can use: it is broken, or of a kind that is not known."""


@dataclass(frozen=True, slots=True)
class Request:
    """A leaf that somebody needs: for a server when there are ``names``, for a client otherwise.

    Raises ValueError for what no certificate can say.
    """

    user: str
    groups: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """DNS names and addresses to serve under."""

    def __post_init__(self) -> None:
        subject(self.user, self.groups)
        alternatives(self.names)

    def issue(self, authority: Pair, life: Life) -> Pair:
        """Return a new leaf, signed by ``authority``."""
        if self.names:
            return issue_server(authority, self.user, self.names, life)
        return issue_client(authority, self.user, self.groups, life)


@dataclass(frozen=True, slots=True)
class Kept:
    """A pair as it is stored, with the duration it was made for."""

    pair: Pair
    duration: timedelta | None = None
    issuer: x509.Certificate | None = None
    """Who signed it, unless it is an authority."""
    former: tuple[x509.Certificate, ...] = ()
    """Who was trusted beside an authority when it was made: a bundle that is lost is made anew of that."""
    urgent: bool = False
    """True for an authority in place of one that was lost, or removed on suspicion: nobody is waited for for long."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A leaf that a consumer shows to its peers at this moment."""

    leaf: str
    """The leaf's fingerprint."""
    issuer: str
    """The fingerprint of who signed it. No more than that: nobody is trusted because a consumer says so."""
    until: datetime
    """When it expires."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one consumer says it holds: the authorities it trusts, and the leaves it shows."""

    at: datetime
    trusted: frozenset[str] | None
    """Fingerprints; None when it verifies nobody by this authority."""
    shown: Mapping[str, Shown]
    """By the Secrets' names."""

    def is_believed(self, now: datetime) -> bool:
        """Return False for a consumer that nobody would believe any more: it has lived too long with old leaves."""
        return not self.shown or any(now < each.until for each in self.shown.values())

    def is_heard(self, now: datetime) -> bool:
        """Return False for a consumer that has said nothing for so long that it must be gone, or is from the future."""
        return abs(now - self.at) < SILENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """All that is known of one authority; what is missing, broken or tampered with is not there."""

    authority: Kept | None = None
    bundle: tuple[x509.Certificate, ...] = ()
    """What consumers shall trust, the present authority first."""
    leaves: Mapping[str, Kept] = field(default_factory=dict)
    wanted: Mapping[str, Request] = field(default_factory=dict)
    reports: Mapping[str, Report] = field(default_factory=dict)
    """What consumers say, by their names."""
    agents: Mapping[str, Report] = field(default_factory=dict)
    """What agents on hosts of their own say. A host may sleep for hours, and must find its way back."""

    def consumers(self, now: datetime) -> dict[str, Report]:
        """Return the reports of those who are waited for, by their names."""
        if self.patience_ends is not None and now >= self.patience_ends:
            return {}
        heard = {name: each for name, each in self.reports.items() if each.is_heard(now)}
        return {name: each for name, each in {**heard, **self.agents}.items() if each.is_believed(now)}

    def lagging(self, now: datetime) -> list[str]:
        """Return the names of those who would be shown leaves of the present authority's, and do not trust it yet."""
        current = self.authority and fingerprint(self.authority.pair.certificate)
        asked = {name: each.trusted for name, each in self.consumers(now).items() if each.trusted is not None}
        return sorted(name for name, trusted in asked.items() if current not in trusted)

    @property
    def patience_ends(self) -> datetime | None:
        """When nobody is waited for any more, if that is sooner than leaves expire."""
        if self.authority is None or not self.authority.urgent:
            return None
        return self.authority.pair.certificate.not_valid_before_utc + CLOCK_SKEW + PATIENCE

    def known(self) -> dict[str, x509.Certificate]:
        """Return all authorities, present and former, by their fingerprints."""
        present = () if self.authority is None else (self.authority.pair.certificate, *self.authority.former)
        return {fingerprint(each): each for each in (*present, *self.bundle)}


def fingerprint(certificate: x509.Certificate) -> str:
    """Return what tells a certificate from all others."""
    return certificate.fingerprint(hashes.SHA256()).hex()[:32]


def signed_by(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    """Return True when ``authority`` signed ``leaf``."""
    try:
        leaf.verify_directly_issued_by(authority)
    except (*UNREADABLE, TypeError, InvalidSignature):
        return False
    return True


def issuer_of(leaf: x509.Certificate, known: Iterable[x509.Certificate]) -> x509.Certificate | None:
    """Return who of ``known`` signed ``leaf``."""
    return next((each for each in known if signed_by(leaf, each)), None)
