"""hostDisk: a raw disk file of the node, below directories that an administrator allows."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nodeagent.volumes.allowed import resolve_below
from nodeagent.volumes.emptydisk import positive_size
from nodeagent.volumes.prepared import PreparedDisk, VolumeError


async def prepare(name: str, source: dict[str, Any], allowed: Sequence[Path]) -> PreparedDisk:
    """Use the file (type Disk) or make it first where it is missing (DiskOrCreate). It is always raw.

    Raises:
        VolumeError: The path is not allowed, is not a plain file, or is missing.
    """
    path = await asyncio.to_thread(resolve_below, Path(source.get("path", "")), allowed)
    if path is None:
        names = ", ".join(map(str, allowed)) or "none is configured"
        message = f"{source.get('path')!r} is not below a directory for host disks of this node ({names})"
        raise VolumeError("HostDiskNotAllowed", message, retryable=False)
    if not await asyncio.to_thread(path.exists):
        await _create(name, source, path)
    if not await asyncio.to_thread(path.is_file):
        raise VolumeError("InvalidHostDisk", f"{path} is not a plain file", retryable=False)
    return PreparedDisk(name, path, "raw")


async def _create(name: str, source: dict[str, Any], path: Path) -> None:
    """Make a sparse file for its owner only; VolumeError when the type does not say so or it cannot be made."""
    if source.get("type") != "DiskOrCreate":
        message = f"{path} does not exist on this node: create it, or use the type DiskOrCreate with a capacity"
        raise VolumeError("HostDiskMissing", message, retryable=True)
    size = positive_size(source.get("capacity", ""), f"{name}.hostDisk.capacity")

    def write() -> None:
        # Exclusively: if somebody was faster, theirs is used; a link that appeared meanwhile is not followed.
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.truncate(made, size)
        except OSError:
            # Else the next attempt would take the empty file for the disk.
            path.unlink()
            raise
        finally:
            os.close(made)

    try:
        await asyncio.to_thread(write)
    except FileExistsError:
        return
    except OSError as error:
        raise VolumeError(
            "HostDiskNotCreated", f"{path} cannot be created: {error.strerror}", retryable=True
        ) from error
