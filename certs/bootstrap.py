"""The first start: one authority, and a leaf for the server and for each kind of client. Safe to run again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from certs.authority import issue_client, issue_server, make_authority, subject
from certs.pair import Pair
from certs.rotation import Leaf, why_rotate
from certs.signing import ensure_signing_key

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
    clients = {
        "admin": ("kubernetes-admin", ["system:masters"]),
        "controllers": ("system:virtplane-controllers", ["system:virtplane:controllers"]),
        "agent": (f"system:node:{node_name}", ["system:nodes"]),
    }
    if _is_due(directory, "server", signer, subject(SERVER), server_names):
        issue_server(signer, SERVER, server_names).save(directory, "server")
    for name, (user, groups) in clients.items():
        if _is_due(directory, name, signer, subject(user, groups)):
            issue_client(signer, user, groups).save(directory, name)
    ensure_signing_key(Pki(directory).key(TOKENS))
    return Pki(directory)


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
