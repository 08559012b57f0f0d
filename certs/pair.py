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

    def save(self, directory: Path, name: str, issuer: x509.Certificate | None = None) -> None:
        """Write ``NAME.pem`` (mode 0600): the certificate with its key, and ``issuer`` for those who ask whose it is.

        One file, so that nobody ever reads a certificate beside the key of another; all of TLS reads such files.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        chain = b"" if issuer is None else issuer.public_bytes(serialization.Encoding.PEM)
        replace_file(directory / f"{name}.pem", self.key_pem + self.certificate_pem + chain, 0o600)

    @classmethod
    def load(cls, directory: Path, name: str) -> Self:
        """Read what ``save`` wrote. Raises FileNotFoundError, ValueError for a file that holds no such pair."""
        content = (directory / f"{name}.pem").read_bytes()
        return cls.parse(content, content)

    @classmethod
    def parse(cls, certificates: bytes, key: bytes) -> Self:
        """Read PEM: the key, and of the certificates the one that it belongs to. Raises ValueError for no such pair."""
        known = x509.load_pem_x509_certificates(certificates)
        try:
            private = serialization.load_pem_private_key(key, password=None)
        except (TypeError, UnsupportedAlgorithm) as unusable:
            raise ValueError("the key is encrypted or of an unknown kind") from unusable
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ValueError("the key is not one of an elliptic curve")  # noqa: TRY004 - a matter of content
        for each in known:
            if each.public_key() == private.public_key():
                return cls(each, private)
        raise ValueError("the key is not that of the certificate")
