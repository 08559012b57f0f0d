"""A client's TLS context: whom it trusts and what it shows, always as its files are now."""

import ssl
from pathlib import Path

from certs.following import Following


class FollowingContext(Following):
    """Trusts a bundle of authorities, and shows a certificate where it has one."""

    @classmethod
    def of(cls, authority: Path, certificate: Path | None, key: Path | None) -> "FollowingContext":
        """Return a context that trusts ``authority`` and shows ``certificate``, if there is one.

        Raises OSError and ssl.SSLError when the files cannot be used.
        """
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context._begin(*(each for each in (authority, certificate, key) if each is not None))
        return context

    def _make(self) -> ssl.SSLContext:
        authority, *pair = self._files
        context = ssl.create_default_context(cafile=str(authority))
        if pair:
            context.load_cert_chain(pair[0], pair[-1])
        return context
