"""Sealing: what is stored of confidential resources is encrypted, with AES-256-GCM.

Each value is encrypted with a key of its own, derived from a long-lived one and 32 random bytes. So a nonce never meets
the same key twice, however much is written; with the long-lived key itself that would hold for some 2^32 values only
(NIST SP 800-38D, 8.3). The key of the record is authenticated with the value: what was sealed for one Secret cannot be
opened in the place of another. Source of both: Kubernetes' providers ``aesgcm`` and ``kms`` v2
(``k8s.io/apiserver/pkg/storage/value/encrypt/aes``).
"""

import hmac
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from apiserver.storage.contract import Key, StorageError, UnavailableError

KEY_BYTES = 32
PREFIX = b"virtplane:aesgcm:v1:"
"""How everything that is sealed begins; the id of its key and a colon follow."""
ID_BYTES = 6
SEED_BYTES = 32
NONCE_BYTES = 12


class KeyMissingError(UnavailableError):
    """Something is sealed with a key that is not among ours; it can be opened when that is put back."""


class BrokenSealError(StorageError):
    """What is stored is not what was sealed under this key: it was changed, or moved from another one."""


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A long-lived key of 32 random bytes."""

    secret: bytes = field(repr=False)

    @classmethod
    def new(cls) -> "SealingKey":
        """Make one."""
        return cls(os.urandom(KEY_BYTES))

    @property
    def id(self) -> str:
        """Names the key without telling anything about it: another key cannot pass for it by mistake."""
        return hmac.digest(self.secret, b"virtplane encryption key", "sha256")[:ID_BYTES].hex()

    def of(self, seed: bytes) -> AESGCM:
        """Return the key of one value (RFC 5869, 2.3; the key is uniform, so nothing need be extracted)."""
        return AESGCM(HKDFExpand(hashes.SHA256(), KEY_BYTES, seed).derive(self.secret))


class Sealing:
    """Seals the values of some resources, and opens what is sealed of any."""

    def __init__(self, resources: Iterable[str] = (), keys: Sequence[SealingKey] = ()) -> None:
        """``resources`` are named as in a Key. There must be a key if there are any."""
        self.resources = frozenset(resources)
        self._first: SealingKey | None = None
        self._keys: dict[str, SealingKey] = {}
        self.use(keys)

    def use(self, keys: Sequence[SealingKey]) -> None:
        """Seal with the first of ``keys`` from now on, and open with all of them.

        Those of before still open what they sealed: who drops a key too early does no harm until the next start.
        """
        if keys:
            self._first = keys[0]
        self._keys |= {key.id: key for key in keys}

    @property
    def beginning(self) -> bytes:
        """How begins what is sealed with the first key."""
        return PREFIX + self._writing().id.encode() + b":"

    def seal(self, key: Key, body: bytes) -> bytes:
        """Return what to store for ``body``: itself, where the resource is not confidential."""
        if key.resource not in self.resources:
            return body
        seed, nonce = os.urandom(SEED_BYTES), os.urandom(NONCE_BYTES)
        return self.beginning + seed + nonce + self._writing().of(seed).encrypt(nonce, body, _place(key))

    def open(self, key: Key, stored: bytes) -> bytes:
        """Return the body of what is stored: itself, where it is not sealed.

        Raises KeyMissingError, BrokenSealError.
        """
        if not stored.startswith(PREFIX):
            return stored
        name, _, rest = stored[len(PREFIX) :].partition(b":")
        wanted = name.decode(errors="replace")
        found = self._keys.get(wanted)
        if found is None:
            raise KeyMissingError(f"{_named(key)} is sealed with the key {wanted}, which is not here")
        seed, nonce = rest[:SEED_BYTES], rest[SEED_BYTES : SEED_BYTES + NONCE_BYTES]
        try:
            return found.of(seed).decrypt(nonce, rest[SEED_BYTES + NONCE_BYTES :], _place(key))
        except (InvalidTag, ValueError) as broken:
            raise BrokenSealError(f"{_named(key)} was changed or moved outside of this server") from broken

    def _writing(self) -> SealingKey:
        if self._first is None:
            raise RuntimeError("there is no key to seal with")
        return self._first


def _place(key: Key) -> bytes:
    # None of the three has a slash in it.
    return "/".join(key).encode()


def _named(key: Key) -> str:
    return f"{key.resource} {key.namespace}/{key.name}"
