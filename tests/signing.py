"""Requests for certificates, and certificates, in base64 of PEM as the API has them."""

import base64
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from certs.authority import subject

KEY = ec.generate_private_key(ec.SECP256R1())


def request(name: str = "jane", *groups: str) -> str:
    """Return a signed request for a client's certificate."""
    made = x509.CertificateSigningRequestBuilder().subject_name(subject(name, groups)).sign(KEY, hashes.SHA256())
    return base64.b64encode(made.public_bytes(Encoding.PEM)).decode()


def forged_request() -> str:
    """Return a request whose signature is of something else."""
    made = x509.CertificateSigningRequestBuilder().subject_name(subject("jane")).sign(KEY, hashes.SHA256())
    wrong = base64.b64encode(made.public_bytes(Encoding.DER).replace(b"jane", b"joan")).decode()
    return encoded(f"-----BEGIN CERTIFICATE REQUEST-----\n{wrong}\n-----END CERTIFICATE REQUEST-----\n")


def request_of_version(version: int) -> str:
    """Return a request that says to be of a version of PKCS#10; 0 is the only one there is."""
    made = x509.CertificateSigningRequestBuilder().subject_name(subject("jane")).sign(KEY, hashes.SHA256())
    der = made.public_bytes(Encoding.DER).replace(b"\x02\x01\x00", bytes([2, 1, version]), 1)
    wrong = base64.b64encode(der).decode()
    return encoded(f"-----BEGIN CERTIFICATE REQUEST-----\n{wrong}\n-----END CERTIFICATE REQUEST-----\n")


def certificate(name: str = "jane") -> str:
    """Return a certificate that its own key has signed."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject(name))
        .issuer_name(subject(name))
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(hours=1))
    )
    return base64.b64encode(builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM)).decode()


def encoded(text: str) -> str:
    """Return text in base64."""
    return base64.b64encode(text.encode()).decode()
