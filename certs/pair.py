"""A certificate with its key, in memory and in files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certs.files import replace_file


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and the key that belongs to it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key in PEM (PKCS #8), not encrypted."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def save(self, directory: Path, name: str) -> None:
        """Write ``NAME.crt`` and ``NAME.key`` (mode 0600), each atomically."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(directory / f"{name}.key", self.key_pem, 0o600)
        replace_file(directory / f"{name}.crt", self.certificate_pem, 0o644)

    @classmethod
    def load(cls, directory: Path, name: str) -> Self:
        """Read what ``save`` wrote. Raises FileNotFoundError, ValueError for files that are no such pair."""
        certificate = x509.load_pem_x509_certificate((directory / f"{name}.crt").read_bytes())
        try:
            key = serialization.load_pem_private_key((directory / f"{name}.key").read_bytes(), password=None)
        except (TypeError, UnsupportedAlgorithm) as unusable:
            raise ValueError(f"{directory / name}.key is encrypted or of an unknown kind") from unusable
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise ValueError(f"{directory / name}.key is not the key of {name}.crt")
        return cls(certificate, key)
