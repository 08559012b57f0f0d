"""Pins: an authority told by the hash of its public key, so that a stranger can know it by a line of text.

Source: kubeadm's ``--discovery-token-ca-cert-hash`` (RFC 7469, section 2.4, in hexadecimal digits).
"""

import hashlib
import re

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PIN = re.compile(r"sha256:[0-9a-f]{64}")


def pin_of(authority: x509.Certificate) -> str:
    """Return ``sha256:`` and the hash of an authority's public key (its SubjectPublicKeyInfo)."""
    info = authority.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(info).hexdigest()}"
