"""JSON Web Tokens signed with ECDSA P-256 (``ES256``), and nothing else that the standards offer.

Source: RFC 7515 (JWS), RFC 7517 (JWK), RFC 7518 section 3.4, RFC 8725 for what to refuse.
"""

import base64
import binascii
import hashlib
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

Claims = dict[str, Any]
MAX_BYTES = 16 * 1024
"""A longer token is nobody's."""
REMEMBERED = 1024
"""Of so many tokens it is known that they are genuine: verifying a signature costs more than most requests."""
_ALGORITHM = "ES256"
_SHA256 = ec.ECDSA(hashes.SHA256())
_NUMBER_BYTES = 32
"""A signature is two numbers of this length, and so is a public key."""


class TokenError(Exception):
    """Not a token of this signer; the message is for the log, never for who sent it."""


class Signer:
    """Signs claims with one key, and reads what it has signed."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self._public = key.public_key()
        encoded = self._public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self._key_id = _encode(hashlib.sha256(encoded).digest())
        self._genuine: dict[bytes, Claims] = {}

    def sign(self, claims: Claims) -> str:
        """Return a token with ``claims``."""
        header = {"alg": _ALGORITHM, "kid": self._key_id}
        signed = f"{_encode(orjson.dumps(header))}.{_encode(orjson.dumps(claims))}"
        numbers = decode_dss_signature(self._key.sign(signed.encode(), _SHA256))
        return f"{signed}.{_encode(b''.join(each.to_bytes(_NUMBER_BYTES, 'big') for each in numbers))}"

    def read(self, token: str) -> Claims:
        """Return the claims of a token that this key has signed; they are not judged, nor to be changed.

        Raises TokenError.
        """
        digest = hashlib.sha256(token.encode(errors="surrogateescape")).digest()
        if (claims := self._genuine.get(digest)) is None:
            claims = self._verified(token)
            if len(self._genuine) >= REMEMBERED:
                del self._genuine[next(iter(self._genuine))]
            self._genuine[digest] = claims
        return claims

    def _verified(self, token: str) -> Claims:
        if len(token) > MAX_BYTES or not token.isascii() or token.count(".") != 2:
            raise TokenError("not a signed token in compact form")
        header, payload, signature = token.split(".")
        told = _object(header)
        # The algorithm is ours to choose, not the token's.
        if told.get("alg") != _ALGORITHM or told.get("kid") != self._key_id or "crit" in told:
            raise TokenError("signed otherwise, or with another key")
        self._verify(f"{header}.{payload}".encode(), _decode(signature))
        return _object(payload)

    def _verify(self, signed: bytes, signature: bytes) -> None:
        if len(signature) != 2 * _NUMBER_BYTES:
            raise TokenError("the signature has another length")
        r, s = (int.from_bytes(half, "big") for half in (signature[:_NUMBER_BYTES], signature[_NUMBER_BYTES:]))
        try:
            self._public.verify(encode_dss_signature(r, s), signed, _SHA256)
        except InvalidSignature as wrong:
            raise TokenError("the signature is wrong") from wrong

    def key_set(self) -> dict[str, Any]:
        """Return the JSON Web Key Set with which others can verify tokens."""
        numbers = self._public.public_numbers()
        key = {
            "use": "sig",
            "kty": "EC",
            "kid": self._key_id,
            "alg": _ALGORITHM,
            "crv": "P-256",
            "x": _encode(numbers.x.to_bytes(_NUMBER_BYTES, "big")),
            "y": _encode(numbers.y.to_bytes(_NUMBER_BYTES, "big")),
        }
        return {"keys": [key]}


def _object(part: str) -> dict[str, Any]:
    try:
        found = orjson.loads(_decode(part))
    except orjson.JSONDecodeError as broken:
        raise TokenError("not JSON") from broken
    if not isinstance(found, dict):
        raise TokenError("not a JSON object")
    return found


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(part: str) -> bytes:
    try:
        decoded = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as broken:
        raise TokenError("not base64url") from broken
    if _encode(decoded) != part:  # one token has one spelling
        raise TokenError("not base64url in its one form")
    return decoded
