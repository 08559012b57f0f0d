"""The first start: one authority, and a leaf for the server and for each kind of client. Safe to run again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from certs.authority import LEAF_LIFETIME, Life, make_authority, subject
from certs.pair import Pair
from certs.rotation import Leaf, why_rotate
from certs.signing import ensure_signing_key
from certs.trust import Request

AUTHORITY = "ca"
SERVER = "virtplane"
"""What the authority and the server are called in their certificates."""
TOKENS = "service-accounts"
"""What the key is called that signs tokens of ServiceAccounts; it has no certificate."""


@dataclass(frozen=True, slots=True)
class Pki:
    """Where the files of a standalone installation are: ``NAME.crt`` and ``NAME.key``."""

    directory: Path

    @property
    def authority(self) -> Path:
        """The certificate that everybody trusts."""
        return self.certificate(AUTHORITY)

    def certificate(self, name: str) -> Path:
        """The certificate called ``name``."""
        return self.directory / f"{name}.crt"

    def key(self, name: str) -> Path:
        """The key of the certificate called ``name``."""
        return self.directory / f"{name}.key"


class AuthorityError(Exception):
    """The authority is there and cannot be used; the message says what to do."""


def ensure(directory: Path, server_names: Sequence[str], node_name: str) -> Pki:
    """Make what is missing, broken or due for renewal, and leave the rest. Raises AuthorityError and OSError."""
    signer = _ensure_authority(directory)
    for name, request in requests(server_names, node_name).items():
        if _is_due(directory, name, signer, subject(request.user, request.groups), request.names):
            request.issue(signer, Life(datetime.now(UTC), LEAF_LIFETIME)).save(directory, name)
    ensure_signing_key(Pki(directory).key(TOKENS))
    return Pki(directory)


def requests(server_names: Sequence[str], node_name: str) -> dict[str, Request]:
    """Return the leaves of a standalone installation by the names of their files."""
    return {
        "server": Request(SERVER, names=tuple(server_names)),
        # With which the server's process looks after the certificates, as a client of its own API.
        "loopback": Request("system:apiserver", ("system:masters",)),
        "admin": Request("kubernetes-admin", ("system:masters",)),
        "controllers": Request("system:virtplane-controllers", ("system:virtplane:controllers",)),
        "agent": Request(f"system:node:{node_name}", ("system:nodes",)),
    }


def _ensure_authority(directory: Path) -> Pair:
    """Return the authority, made now where there is none or where it has expired: nothing trusts it any more then.

    One that is broken is left alone: whoever trusts it would have to learn of another.
    """
    certificate = Pki(directory).authority
    if certificate.exists():
        try:
            authority = Pair.load(directory, AUTHORITY)
        except (FileNotFoundError, ValueError) as broken:
            raise AuthorityError(
                f"the certificate authority in {directory} cannot be used ({broken}): restore {AUTHORITY}.crt and "
                f"{AUTHORITY}.key from a backup, or remove both; then all certificates are made anew, and kubeconfigs "
                "that were copied elsewhere must be copied again"
            ) from broken
        if datetime.now(UTC) < authority.certificate.not_valid_after_utc:
            return authority
        certificate.unlink()  # first: without it the next start begins again, should this one be interrupted
    authority = make_authority(SERVER)
    authority.save(directory, AUTHORITY)
    return authority


def _is_due(directory: Path, name: str, authority: Pair, named: x509.Name, names: Sequence[str] = ()) -> bool:
    """Return True when there is no such leaf, or one that should be another."""
    try:
        pair = Pair.load(directory, name)
    except (FileNotFoundError, ValueError):
        return True
    return why_rotate(Leaf(pair, authority, named, names)) is not None
