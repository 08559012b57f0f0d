"""The first start: one authority, and a leaf for the server and for each kind of client. Safe to run again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from certs.authority import issue_client, issue_server, make_authority
from certs.pair import Pair
from certs.rotation import Leaf, why_rotate


@dataclass(frozen=True, slots=True)
class Pki:
    """Where the files of a standalone installation are: ``NAME.crt`` and ``NAME.key``."""

    directory: Path

    @property
    def authority(self) -> Path:
        """The certificate that everybody trusts."""
        return self.directory / "ca.crt"

    def certificate(self, name: str) -> Path:
        """The certificate called ``name``."""
        return self.directory / f"{name}.crt"

    def key(self, name: str) -> Path:
        """The key of the certificate called ``name``."""
        return self.directory / f"{name}.key"


def ensure(directory: Path, server_names: Sequence[str], node_name: str) -> Pki:
    """Make what is missing, broken or due for renewal, and leave the rest. Raises OSError."""
    authority = _load(directory, "ca")
    if authority is None:
        authority = make_authority("virtplane")
        authority.save(directory, "ca")
    signer = authority
    _ensure_leaf(directory, "server", signer, lambda: issue_server(signer, "virtplane", server_names), server_names)
    clients = {
        "admin": ("kubernetes-admin", ["system:masters"]),
        "controllers": ("system:virtplane-controllers", ["system:virtplane:controllers"]),
        "agent": (f"system:node:{node_name}", ["system:nodes"]),
    }
    for name, (user, groups) in clients.items():
        _ensure_leaf(directory, name, signer, lambda u=user, g=groups: issue_client(signer, u, g))
    return Pki(directory)


def _ensure_leaf(
    directory: Path, name: str, authority: Pair, issue: Callable[[], Pair], names: Sequence[str] = ()
) -> None:
    leaf = _load(directory, name)
    if leaf is None or why_rotate(Leaf(leaf, authority, names)) is not None:
        issue().save(directory, name)


def _load(directory: Path, name: str) -> Pair | None:
    """Return the pair, or None when there is none that can be used."""
    try:
        return Pair.load(directory, name)
    except (FileNotFoundError, ValueError):
        return None
