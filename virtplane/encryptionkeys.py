"""``virtplane encryption-key``: the keys that encrypt Secrets in the database."""

import asyncio
import fcntl
import os
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from apiserver.storage.contract import UnavailableError
from apiserver.storage.keyfile import KeyFileError, read_keys, write_keys
from apiserver.storage.resealing import keys_in_use
from apiserver.storage.sealing import ID_BYTES, SealingKey
from virtplane.errors import VirtplaneError
from virtplane.home import Home
from virtplane.settings import Settings

SETTLED_SECONDS = 30.0
"""How long ago the file must have changed before a key is removed: a running server has taken notice by then, and
writes with no key of before."""


class EncryptionKeyError(VirtplaneError):
    """The keys cannot be read or changed; the message says what to do."""


def show(settings: Settings) -> str:
    """Return a table of the keys, the one that encrypts first. Raises EncryptionKeyError, OSError."""
    _, keys = _read(settings)
    used = _used(settings)
    uses = ["encrypts and decrypts", *["decrypts"] * (len(keys) - 1)]
    rows = [("KEY", "VALUES", "USE")]
    rows += [(key.id, str(used[key.id]), use) for key, use in zip(keys, uses, strict=True)]
    rows += [(each, str(used[each]), "is missing") for each in sorted(used.keys() - {key.id for key in keys})]
    return "\n".join(f"{key:{2 * ID_BYTES}} {values:>8}  {use}" for key, values, use in rows)


def rotate(settings: Settings) -> str:
    """Put a new key first, and return what to tell about it. Raises EncryptionKeyError, OSError."""
    with _alone(settings) as (path, keys):
        new = SealingKey.new()
        write_keys(path, [new, *keys])
    return (
        f"{new.id} encrypts from now on; back up {path}.\n"
        "A running server encrypts everything anew with it, which `virtplane encryption-key list` shows; then remove "
        "the keys of before with `virtplane encryption-key prune`."
    )


def prune(settings: Settings) -> str:
    """Remove all keys but the first, and return what to tell about it.

    Raises EncryptionKeyError while the database may need one of them, and OSError.
    """
    with _alone(settings) as (path, (first, *others)):
        if not others:
            return f"{first.id} is the only key"
        age = time.time() - path.stat().st_mtime
        if age < SETTLED_SECONDS:
            raise EncryptionKeyError(f"{path} has just changed: try again in {SETTLED_SECONDS - age:.0f} s")
        used = _used(settings)
        if needed := [key.id for key in others if used[key.id]]:
            raise EncryptionKeyError(
                f"{', '.join(needed)} is still needed for {sum(used[each] for each in needed)} values in the database, "
                "which a running server encrypts anew: start it, and look into its log if that changes nothing"
            )
        write_keys(path, [first])
    return f"removed {', '.join(key.id for key in others)}; {first.id} is the only key"


@contextmanager
def _alone(settings: Settings) -> Generator[tuple[Path, list[SealingKey]]]:
    """Read the keys, and let nobody else change them in the context: with a key that gets lost, Secrets do."""
    path, _ = _read(settings)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield _read(settings)
    finally:
        os.close(directory)


def _read(settings: Settings) -> tuple[Path, list[SealingKey]]:
    if settings.in_kubernetes:
        raise EncryptionKeyError("Secrets are Kubernetes' here, and encrypted where its own storage is")
    path = Home.of(settings).encryption_keys
    try:
        return path, read_keys(path)
    except FileNotFoundError as missing:
        raise EncryptionKeyError(f"{path} is not there: the first start of the server makes it") from missing
    except KeyFileError as unusable:
        raise EncryptionKeyError(str(unusable)) from unusable


def _used(settings: Settings) -> Counter[str]:
    try:
        return asyncio.run(keys_in_use(settings.database))
    except UnavailableError as error:
        raise EncryptionKeyError(f"the database cannot be read: {error}") from error
