"""The files that background processes log to: appended to, never endless, readable when something failed."""

import os
import shutil
from pathlib import Path
from typing import BinaryIO

import orjson

LIMIT = 16 * 1024**2
"""Bytes of a log after which it is begun anew; one older part, ``NAME.log.1``, is kept."""
TAIL_BYTES = 64 * 1024


def open_log(path: Path) -> BinaryIO:
    """Open a log for appending, readable by its owner only. Raises OSError."""
    # Appending also lets `shorten` cut the file while processes write to it.
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def shorten(path: Path, limit: int = LIMIT) -> None:
    """Move what is in the log to ``NAME.log.1`` when it holds more than ``limit`` bytes.

    Copied and cut, not renamed: whoever has the file open goes on writing to it, from its new beginning.
    """
    if not path.exists() or path.stat().st_size <= limit:
        return
    older = path.with_name(f"{path.name}.1")
    shutil.copyfile(path, older)
    older.chmod(0o600)
    os.truncate(path, 0)


def size(path: Path) -> int:
    """Return where the log ends now."""
    return path.stat().st_size if path.exists() else 0


def last_lines(path: Path, since: int, count: int = 15) -> list[str]:
    """Return the last lines that were written after position ``since``, in words for a person."""
    with path.open("rb") as file:
        file.seek(max(since, size(path) - TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return [_readable(line) for line in lines[-count:]]


def _readable(line: str) -> str:
    try:
        fact = orjson.loads(line)
    except orjson.JSONDecodeError:
        return line
    if not isinstance(fact, dict):
        return line
    event, trace = fact.pop("event", ""), str(fact.pop("exception", ""))
    details = [f"{name}={value}" for name, value in fact.items() if name not in ("time", "process", "logger")]
    reason = trace.rstrip().rpartition("\n")[2]
    return " ".join([str(event), *details, *([f"({reason})"] if reason else [])])
