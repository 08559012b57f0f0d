"""What one consumer holds as files, and how it takes over what is stored: never does it show what it does not trust."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from certs.authority import served_names, subject
from certs.bootstrap import Pki, read_bundle
from certs.files import replace_file
from certs.objects import Statement, pem
from certs.pair import Pair
from certs.purposes import Leaf, Purpose, signs_for
from certs.trust import Kept, Request, Shown, Trust, fingerprint, issuer_of

Needed = Mapping[Leaf, tuple[str, ...]]
"""Leaves, each with the names that it is to be served under."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The files of one consumer."""

    pki: Pki
    leaves: Collection[Leaf]
    purposes: Collection[Purpose]
    """Whose bundles there are; among them those of the leaves."""
    with_authorities: bool = False
    """True where the authorities are kept with their keys, so that the next start can do without the API."""

    def take_over(self, purpose: Purpose, trust: Trust, now: datetime) -> bool:
        """Write what differs from ``trust``; return True for any. Raises OSError.

        The bundle goes first, so that nothing is shown that it does not cover, and last, when that has changed.
        """
        stored = [each for each in trust.bundle if now < each.not_valid_after_utc and signs_for(purpose, each)]
        trusted = stored or read_bundle(self.pki.bundle(purpose))
        changed = self._write_bundle(purpose, trusted)
        if self.with_authorities and trust.authority and trust.authority.pair.certificate in trusted:
            changed |= self._write_pair(purpose.file, trust.authority)
        for leaf in self._of(purpose):
            kept = trust.leaves.get(leaf.secret)
            if kept and kept.issuer in trusted and _is_fit(kept.pair.certificate, trust.wanted[leaf.secret], now):
                changed |= self._write_pair(leaf.file, kept)
        return self._write_bundle(purpose, trusted) or changed

    def authority(self, purpose: Purpose) -> Pair | None:
        """Return an authority with its key, if it is kept here."""
        return self._pair(purpose.file)

    def statement(self, needed: Needed, node: str, now: datetime) -> Statement:
        """Return what is held and shown at this moment. Raises OSError."""
        bundles = {purpose: read_bundle(self.pki.bundle(purpose)) for purpose in self.purposes}
        shown: dict[str, Shown] = {}
        for leaf in self.leaves:
            pair = self._pair(leaf.file)
            issuer = pair and issuer_of(pair.certificate, bundles[leaf.purpose])
            if pair and issuer:
                end = pair.certificate.not_valid_after_utc
                shown[leaf.secret] = Shown(fingerprint(pair.certificate), fingerprint(issuer), end)
        return Statement(
            at=now,
            node=node,
            names={leaf.secret: names for leaf, names in needed.items()},
            trusted={purpose.authority: frozenset(map(fingerprint, each)) for purpose, each in bundles.items()},
            shown=shown,
        )

    def _write_pair(self, name: str, kept: Kept) -> bool:
        present = self._pair(name)
        if present is not None and present.certificate == kept.pair.certificate:
            return False
        kept.pair.save(self.pki.directory, name, kept.issuer)
        return True

    def _write_bundle(self, purpose: Purpose, trusted: list[x509.Certificate]) -> bool:
        """Write whom to trust, and whoever signed what is still shown."""
        file = self.pki.bundle(purpose)
        before = read_bundle(file)
        wanted = pem(dict.fromkeys((*trusted, *self._in_use(purpose, before))))
        if pem(before) == wanted:
            return False
        replace_file(file, wanted, 0o644)
        return True

    def _in_use(self, purpose: Purpose, known: Iterable[x509.Certificate]) -> Iterable[x509.Certificate]:
        files = [leaf.file for leaf in self._of(purpose)] + [purpose.file] * self.with_authorities
        pairs = filter(None, map(self._pair, files))
        return filter(None, (issuer_of(each.certificate, known) for each in pairs))

    def _of(self, purpose: Purpose) -> Iterable[Leaf]:
        return (leaf for leaf in self.leaves if leaf.purpose is purpose)

    def _pair(self, name: str) -> Pair | None:
        try:
            return Pair.load(self.pki.directory, name)
        except (FileNotFoundError, ValueError):
            return None


def _is_fit(leaf: x509.Certificate, request: Request, now: datetime) -> bool:
    named = leaf.subject == subject(request.user, request.groups) and set(request.names) <= set(served_names(leaf))
    return named and now < leaf.not_valid_after_utc
