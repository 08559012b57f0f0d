"""The first start: an authority for each purpose, and all that they sign. Safe to run again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from certs.authority import AUTHORITY_LIFETIME, LEAF_LIFETIME, Life, make_authority
from certs.files import replace_file
from certs.names import serving_names
from certs.overlap import why_other_leaf
from certs.pair import Pair
from certs.purposes import LEAVES, PURPOSES, SERVER, Leaf, Purpose
from certs.signing import ensure_signing_key
from certs.trust import Kept, issuer_of
from kube.certificates import Lifetime

_LATE = Lifetime(LEAF_LIFETIME, timedelta(0))
"""What has little of its life left is renewed here; the controllers renew much earlier."""


@dataclass(frozen=True, slots=True)
class Pki:
    """Where the files of a standalone installation are."""

    directory: Path

    @property
    def authority(self) -> Path:
        """The certificates by which clients know the server."""
        return self.bundle(SERVER)

    def bundle(self, purpose: Purpose) -> Path:
        """The certificates of the authorities that are trusted for a purpose."""
        return self.directory / f"{purpose.file}.crt"

    def pair(self, name: str) -> Path:
        """The certificate called ``name``, and in the same file its key."""
        return self.directory / f"{name}.pem"

    @property
    def tokens(self) -> Path:
        """The key that signs tokens of ServiceAccounts; it has no certificate."""
        return self.directory / "service-accounts.key"


class AuthorityError(Exception):
    """An authority is there and cannot be used; the message says what to do."""


def ensure(directory: Path, server_names: Sequence[str], node_name: str) -> Pki:
    """Make what is missing, broken or due for renewal, and leave the rest. Raises AuthorityError and OSError."""
    pki = Pki(directory)
    _upgrade(pki)
    signers = {purpose: _ensure_authority(pki, purpose) for purpose in PURPOSES}
    now = datetime.now(UTC)
    for leaf, names in needed(server_names, node_name).items():
        signer, request = signers[leaf.purpose], leaf.request(names, node_name)
        if why_other_leaf(_held(directory, leaf, signer), request, signer, _LATE, now) is not None:
            request.issue(signer, Life(now, LEAF_LIFETIME)).save(directory, leaf.file, signer.certificate)
    ensure_signing_key(pki.tokens)
    return pki


def needed(server_names: Sequence[str], node_name: str) -> dict[Leaf, tuple[str, ...]]:
    """Return all leaves of a standalone installation, where the server and the node's agent are on one host.

    Each with the names that it is to be served under.
    """
    on_node = tuple(dict.fromkeys((node_name, *serving_names("::"), *server_names)))
    served = {True: on_node, False: tuple(server_names)}
    return {leaf: served[leaf.of_node] if leaf.serves else () for leaf in LEAVES}


def _upgrade(pki: Pki) -> None:
    """Take over what was kept in two files, and by one authority for all purposes: that remains the server's."""
    certificate, key = pki.authority, pki.directory / f"{SERVER.file}.key"
    if not key.exists():
        return
    try:
        Pair.parse(certificate.read_bytes(), key.read_bytes()).save(pki.directory, SERVER.file)
    except (FileNotFoundError, ValueError) as broken:
        raise _unusable(pki, SERVER, broken) from broken
    for leaf in LEAVES:
        for suffix in ("crt", "key"):
            (pki.directory / f"{leaf.file}.{suffix}").unlink(missing_ok=True)
    key.unlink()


def _ensure_authority(pki: Pki, purpose: Purpose) -> Pair:
    """Return an authority, made now where there is none or where it has expired: nothing trusts it any more then.

    One that is broken is left alone: whoever trusts it would have to learn of another.
    """
    bundle = pki.bundle(purpose)
    try:
        authority = Pair.load(pki.directory, purpose.file)
    except (FileNotFoundError, ValueError) as broken:
        if bundle.exists():
            raise _unusable(pki, purpose, broken) from broken
        authority = None
    now = datetime.now(UTC)
    if authority is None or now >= authority.certificate.not_valid_after_utc:
        authority = make_authority(purpose.common_name(now.timestamp()), Life(now, AUTHORITY_LIFETIME))
        authority.save(pki.directory, purpose.file)
    # After the key, so that a start that was interrupted here is not taken for a key that was lost.
    if authority.certificate not in read_bundle(bundle):
        replace_file(bundle, authority.certificate_pem, 0o644)
    return authority


def read_bundle(file: Path) -> list[x509.Certificate]:
    """Return the certificates of a bundle; none when it is missing or broken. Raises OSError."""
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return []


def _unusable(pki: Pki, purpose: Purpose, why: Exception) -> AuthorityError:
    name = purpose.file
    return AuthorityError(
        f"the certificate authority {name} in {pki.directory} cannot be used ({why}): restore {name}.pem and "
        f"{name}.crt from a backup, or remove both; then all that it signed is made anew, and kubeconfigs that were "
        "copied elsewhere must be copied again"
    )


def _held(directory: Path, leaf: Leaf, signer: Pair) -> Kept | None:
    """Return a leaf, unless it is missing or broken."""
    try:
        pair = Pair.load(directory, leaf.file)
    except (FileNotFoundError, ValueError):
        return None
    return Kept(pair, issuer=issuer_of(pair.certificate, [signer.certificate]))
