"""Sockets of a guest's devices on its node: no port is opened, and who may connect is decided by files' modes."""

import os
from pathlib import Path

LONGEST = 107
"""Bytes that the path of a socket may have on Linux (``sun_path`` in unix(7), less its final zero)."""


def usable(socket: Path) -> str | None:
    """Return the path of a socket, or None where it is longer than paths of sockets can be."""
    return str(socket) if len(os.fsencode(socket)) <= LONGEST else None
