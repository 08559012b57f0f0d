"""Which paths of this machine a user may name."""

from collections.abc import Iterable
from pathlib import Path


def resolve_below(path: Path, directories: Iterable[Path]) -> Path | None:
    """Return ``path`` with every link followed if it is strictly below one of ``directories``, else None.

    The path itself need not exist. Links inside the allowed directories are followed, too, so that one
    cannot lead out; a relative path is never allowed.
    """
    if not path.is_absolute() or "\0" in str(path):
        return None
    try:
        resolved = path.resolve()
    except RuntimeError:
        # Python's word, before 3.13, for links that lead in a circle.
        return None
    for directory in directories:
        parent = directory.resolve()
        if resolved != parent and resolved.is_relative_to(parent):
            return resolved
    return None
