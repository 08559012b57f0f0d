"""What servers accept of TLS: the ``tlsConfiguration`` of a KubeVirt object, in OpenSSL's terms.

Cipher suites have IANA's names there, as in Go's ``crypto/tls``; those that it knows may be chosen, insecure ones
included. Source of OpenSSL's names: ``man 1 openssl-ciphers``.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from kube.objects import Object

_EXCHANGES = {"ECDHE_ECDSA": "ECDHE-ECDSA-", "ECDHE_RSA": "ECDHE-RSA-", "RSA": ""}
_CIPHERS = {
    "RC4_128_SHA": "RC4-SHA",
    "3DES_EDE_CBC_SHA": "DES-CBC3-SHA",
    "AES_128_CBC_SHA": "AES128-SHA",
    "AES_256_CBC_SHA": "AES256-SHA",
    "AES_128_CBC_SHA256": "AES128-SHA256",
    "AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
}
_NOT_IN_GO = {"TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA", "TLS_RSA_WITH_CHACHA20_POLY1305_SHA256"}
OPENSSL_NAMES: Mapping[str, str] = {
    name: exchange_there + cipher_there
    for exchange, exchange_there in _EXCHANGES.items()
    for cipher, cipher_there in _CIPHERS.items()
    if (name := f"TLS_{exchange}_WITH_{cipher}") not in _NOT_IN_GO
}
"""The ciphers of TLS before 1.3."""
CIPHERS_OF_TLS13 = frozenset({"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})
"""They may be named, and are always on."""
NO_LONGER_SPOKEN = ("VersionTLS10", "VersionTLS11")
"""They may be asked for, and stand for the oldest that is spoken (RFC 8996)."""


@dataclass(frozen=True, slots=True)
class TlsConfiguration:
    """The oldest version, and the ciphers of versions before 1.3: OpenSSL's names, or none for its own choice."""

    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    ciphers: tuple[str, ...] = ()

    @classmethod
    def of(cls, said: Object) -> "TlsConfiguration":
        """Return what a ``tlsConfiguration`` says that was found valid."""
        newest = said.get("minTLSVersion") == "VersionTLS13"
        ciphers = tuple(OPENSSL_NAMES[name] for name in said.get("ciphers") or () if name in OPENSSL_NAMES)
        return cls(ssl.TLSVersion.TLSv1_3 if newest else ssl.TLSVersion.TLSv1_2, ciphers)
