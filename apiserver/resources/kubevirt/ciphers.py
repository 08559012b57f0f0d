"""The ciphers that a TLS configuration may choose from: those of Go's ``crypto/tls``, insecure ones included."""

_EXCHANGES = ("ECDHE_ECDSA", "ECDHE_RSA", "RSA")
_CIPHERS = (
    "RC4_128_SHA",
    "3DES_EDE_CBC_SHA",
    "AES_128_CBC_SHA",
    "AES_256_CBC_SHA",
    "AES_128_CBC_SHA256",
    "AES_128_GCM_SHA256",
    "AES_256_GCM_SHA384",
    "CHACHA20_POLY1305_SHA256",
)
_NOT_IN_GO = {"TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA", "TLS_RSA_WITH_CHACHA20_POLY1305_SHA256"}
_OF_TLS13 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
CIPHERS = frozenset(
    {f"TLS_{exchange}_WITH_{cipher}" for exchange in _EXCHANGES for cipher in _CIPHERS} - _NOT_IN_GO | _OF_TLS13
)
