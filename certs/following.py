"""A TLS context that follows its files: each new connection uses what they hold then, open ones go on.

Servers that rotate on disk and go on serving the old certificate are why. The whole context is made anew, so that
nothing of the old one stays in force: not whom it trusts, and no session that a peer might resume.
"""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Stamp = tuple[int, int] | None
"""What changes whenever a file is replaced, however soon after the last time; None where there is no file."""
State = tuple[object, tuple[Stamp, ...]]


class Following(ssl.SSLContext):
    """Wraps each connection in a context made of what the files, and all else that it depends on, are then."""

    _files: tuple[Path, ...]
    _current: tuple[State, ssl.SSLContext]
    _trouble: str | None = None

    def _make(self) -> ssl.SSLContext:
        """Return a context made of the files. Raises OSError and ssl.SSLError when they cannot be used."""
        raise NotImplementedError

    def _settings(self) -> object:
        """Return what a context depends on besides its files."""
        return None

    def _begin(self, *files: Path) -> None:
        """Make the first context, of ``files``. Raises OSError and ssl.SSLError."""
        self._files = files
        state = self._state()
        try:
            self._current = (state, self._make())
        except ssl.SSLError:
            # OpenSSL opens a file for the certificate, and again for the key: it may have been replaced in between.
            if self._state() == state:
                raise
            self._begin(*files)

    def wrap_bio(self, *how: Any, **more: Any) -> ssl.SSLObject:
        """Begin a connection, with the certificates of this moment."""
        return self.follow().wrap_bio(*how, **more)

    def follow(self) -> ssl.SSLContext:
        """Return the context for the next connection: the last one that could be made of the files."""
        state = self._state()
        known, current = self._current
        if state == known:
            self._trouble = None
            return current
        try:
            current = self._make()
        except (ssl.SSLError, OSError) as broken:
            # Between the replacements of certificate and key they do not match: the old pair goes on until they do.
            # The state stays old, so that the next connection looks again.
            self._trouble = str(broken)
        else:
            self._current, self._trouble = (state, current), None
        return current

    def trouble(self) -> tuple[str, datetime] | None:
        """Return why the files cannot be used as they are now, and since when; None when all is well."""
        self.follow()
        return (self._trouble, self._changed()) if self._trouble is not None else None

    def _changed(self) -> datetime:
        """Return when the first file was written, or removed, that is other than the context in use knows it."""
        (_, known), _ = self._current
        others = (each for each, stamp in zip(self._files, known, strict=True) if stamp_of(each) != stamp)
        times = [(each if each.exists() else each.parent).stat().st_mtime for each in others]
        return datetime.fromtimestamp(min(times), UTC) if times else datetime.now(UTC)

    def _state(self) -> State:
        return self._settings(), tuple(stamp_of(each) for each in self._files)


def stamp_of(file: Path) -> Stamp:
    """Return what changes whenever ``file`` is replaced, however soon after the last time; None where there is none."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino
