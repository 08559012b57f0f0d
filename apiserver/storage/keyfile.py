"""The file of the keys that seal: one a line, in base64. The first one seals, all of them open."""

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path

from apiserver.storage.sealing import KEY_BYTES, SealingKey
from certs.files import replace_file


class KeyFileError(ValueError):
    """A file that holds something else than keys; the message says where and what is expected."""


def read_keys(path: Path) -> list[SealingKey]:
    """Return the keys in the file. Raises KeyFileError and OSError."""
    keys = [_key(path, number, line) for number, line in enumerate(path.read_bytes().split(b"\n"), 1) if line.strip()]
    if not keys:
        raise KeyFileError(f"{path} holds no key: restore it from a backup")
    return keys


def write_keys(path: Path, keys: Sequence[SealingKey]) -> None:
    """Replace the file, with mode 0600. Raises OSError."""
    replace_file(path, b"".join(base64.b64encode(key.secret) + b"\n" for key in keys), 0o600)


def _key(path: Path, number: int, line: bytes) -> SealingKey:
    try:
        secret = base64.b64decode(line.strip(), validate=True)
    except binascii.Error:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise KeyFileError(f"{path}: line {number} is not a key, which is {KEY_BYTES} bytes in base64")
    return SealingKey(secret)
