"""A client's TLS context that follows its files: each new connection uses what they hold then, open ones go on."""

import contextlib
import ssl
from pathlib import Path
from typing import Any

from certs.contexts import Stamp, stamp_of


class FollowingContext(ssl.SSLContext):
    """Reads the bundle, the certificate and the key again once they have changed."""

    _files: tuple[Path, ...]
    _stamp: Stamp
    _fresh: ssl.SSLContext

    @classmethod
    def of(cls, authority: Path, certificate: Path | None, key: Path | None) -> "FollowingContext":
        """Return a context that trusts ``authority`` and shows ``certificate``, if there is one.

        Raises OSError and ssl.SSLError when the files cannot be used.
        """
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context._files = tuple(each for each in (authority, certificate, key) if each is not None)
        context._stamp = stamp_of(context._files)
        context._fresh = _read(*context._files)
        return context

    def wrap_bio(self, *how: Any, **more: Any) -> ssl.SSLObject:
        """Begin a connection, with the certificates of this moment."""
        self._follow()
        return self._fresh.wrap_bio(*how, **more)

    def _follow(self) -> None:
        stamp = stamp_of(self._files)
        if stamp == self._stamp:
            return
        # Between the replacements of certificate and key they do not match: the old pair goes on until they do.
        with contextlib.suppress(ssl.SSLError, OSError):
            self._fresh, self._stamp = _read(*self._files), stamp


def _read(authority: Path, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority))
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context
