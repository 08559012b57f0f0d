"""Bundles of authorities in files, read again when they change; who leaves one is trusted for a moment longer.

Rotation lets an authority go once everybody's certificates are signed by another. But a request may be under way then,
or a program may just have started that read its certificate before.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import structlog
from cryptography import x509

from certs.following import Stamp, stamp_of

LINGER_SECONDS = 5.0
"""Longer than a busy host keeps a program from sending what it has begun to."""

log = structlog.get_logger(__name__)


class Bundles:
    """Whom some files say to trust, as they are at this moment."""

    def __init__(self, files: Sequence[Path], linger: float = LINGER_SECONDS) -> None:
        """Who leaves is trusted for ``linger`` seconds more. Raises OSError and ValueError for files of no use."""
        self._files = files
        self._linger = linger
        self._stamps = self._stamps_now()
        self._named = self._read()
        self._leaving: dict[x509.Certificate, float] = {}
        self._trusted = self._named

    def trusted(self) -> tuple[x509.Certificate, ...]:
        """Return everybody to trust now: the same object until that changes."""
        if (stamps := self._stamps_now()) != self._stamps:
            self._stamps = stamps  # whatever comes: what cannot be read is not read again before it changes
            self._follow()
        elif self._leaving and time.monotonic() >= min(self._leaving.values()):
            self._forget()
        return self._trusted

    def leaving(self) -> tuple[x509.Certificate, ...]:
        """Return those whom no file names any more."""
        return self.trusted()[len(self._named) :]

    def _follow(self) -> None:
        try:
            named = self._read()
        except (OSError, ValueError) as broken:
            log.warning("authorities cannot be read; those known before stay trusted", why=str(broken))
            return
        until = time.monotonic() + self._linger
        self._leaving |= {each: until for each in self._named if each not in named}
        self._named = named
        self._forget()

    def _forget(self) -> None:
        now = time.monotonic()
        left = {each: until for each, until in self._leaving.items() if now < until and each not in self._named}
        self._leaving, self._trusted = left, (*self._named, *left)

    def _read(self) -> tuple[x509.Certificate, ...]:
        return tuple(each for file in self._files for each in x509.load_pem_x509_certificates(file.read_bytes()))

    def _stamps_now(self) -> tuple[Stamp, ...]:
        return tuple(map(stamp_of, self._files))
