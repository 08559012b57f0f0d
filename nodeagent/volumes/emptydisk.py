"""emptyDisk: an empty disk that lives as long as the instance."""

import asyncio
from pathlib import Path
from typing import Any

from kube import quantity
from nodeagent.volumes import qemu_image
from nodeagent.volumes.prepared import PreparedDisk, VolumeError

LARGEST_DISK = 2**63 - 1
"""Bytes; the most that file sizes can say."""


async def prepare(name: str, source: dict[str, Any], workspace: Path) -> PreparedDisk:
    """Make a sparse qcow2 of the capacity asked for, unless it exists already; VolumeError for a bad size."""
    disk = workspace / f"{name}.qcow2"
    if not await asyncio.to_thread(disk.exists):
        await qemu_image.create(disk, size=positive_size(source.get("capacity", ""), f"{name}.emptyDisk.capacity"))
    return PreparedDisk(name, disk, "qcow2")


def positive_size(capacity: str | int, field: str) -> int:
    """The bytes of a capacity; VolumeError, naming ``field``, unless it is a positive quantity."""
    try:
        size = quantity.parse_bytes(capacity)
    except quantity.QuantityError as error:
        raise VolumeError("InvalidCapacity", f"{field}: {error}", retryable=False) from error
    if size <= 0:
        raise VolumeError("InvalidCapacity", f"{field} must be more than nothing", retryable=False)
    if size > LARGEST_DISK:
        raise VolumeError("InvalidCapacity", f"{field} is more than any disk holds: at most 8Ei", retryable=False)
    return size
