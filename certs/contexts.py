"""TLS contexts that follow their files: a handshake after a change uses the new certificate.

Connections that are open are not touched. Servers that rotate on disk and go on serving the old certificate are why.
"""

import ssl
from collections.abc import Iterable
from pathlib import Path

Stamp = tuple[int, ...]


def stamp_of(files: Iterable[Path]) -> Stamp:
    """Return what changes whenever one of ``files`` is replaced, however soon after the last time."""
    found = (each.stat() for each in files if each.exists())
    return tuple(part for each in found for part in (each.st_mtime_ns, each.st_ino))


class _Reloading:
    """Swaps in a fresh context at the first handshake after a file has changed."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path) -> None:
        self._files = (certificate, key, client_ca)
        self._stamp = self._read_stamp()
        self._fresh = self._make()

    def outer(self) -> ssl.SSLContext:
        """Return the context to listen with."""
        context = self._make()
        context.sni_callback = self._before_handshake
        return context

    def _before_handshake(self, connection: ssl.SSLObject, _name: str, _context: ssl.SSLContext) -> None:
        stamp = self._read_stamp()
        if stamp != self._stamp:
            try:
                self._fresh = self._make()
            except (ssl.SSLError, OSError):
                # Certificate and key are two files: between their two replacements they do not match. The old
                # pair serves until the new one is whole; the stamp stays old, so the next handshake looks again.
                stamp = self._stamp
            self._stamp = stamp
        connection.context = self._fresh

    def _read_stamp(self) -> Stamp:
        return stamp_of(self._files)

    def _make(self) -> ssl.SSLContext:
        certificate, key, client_ca = self._files
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(client_ca)
        # Asked for, not demanded: health and version are for everyone.
        context.verify_mode = ssl.CERT_OPTIONAL
        return context


def serving_context(certificate: Path, key: Path, client_ca: Path) -> ssl.SSLContext:
    """Return a server's context that verifies client certificates against ``client_ca`` when they are shown.

    Raises OSError and ssl.SSLError when the files cannot be used.
    """
    return _Reloading(certificate, key, client_ca).outer()
