"""The key that signs tokens: of its own, so that nobody who holds one of another purpose can make tokens."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certs.files import replace_file


def ensure_signing_key(path: Path) -> None:
    """Make an ECDSA P-256 key at ``path`` (PEM, mode 0600) unless a usable one is there. Raises OSError."""
    try:
        load_signing_key(path)
    except (FileNotFoundError, ValueError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        replace_file(path, pem, 0o600)


def load_signing_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read what ``ensure_signing_key`` made. Raises OSError, and ValueError for a file that is no such key."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (TypeError, UnsupportedAlgorithm) as unusable:
        raise ValueError(f"{path} is encrypted or of an unknown kind") from unusable
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ValueError(f"{path} is not a key of the curve P-256")
