"""containerDisk: a disk out of a container image, with a throw-away layer for what the guest writes."""

import asyncio
from pathlib import Path
from typing import Any

from nodeagent.volumes import qemu_image
from nodeagent.volumes.images import ImageStore
from nodeagent.volumes.prepared import PreparedDisk, VolumeError
from nodeagent.volumes.unpack import DISK_FOLDER, Wanted


async def prepare(name: str, source: dict[str, Any], workspace: Path, images: ImageStore) -> PreparedDisk:
    """Make the overlay of the volume ``name``; one that exists belongs to a running guest and is kept.

    Raises:
        VolumeError: The image is not there, or holds not exactly one usable disk.
    """
    overlay = workspace / f"{name}.qcow2"
    if not await asyncio.to_thread(overlay.exists):
        base = await _base(source, images)
        await qemu_image.create(overlay, backing=(base, await qemu_image.safe_format(base)))
    return PreparedDisk(name, overlay, "qcow2")


async def _base(source: dict[str, Any], images: ImageStore) -> Path:
    """The read-only disk in the unpacked image."""
    refuse_pull_secret(source)
    path = source.get("path")
    try:
        wanted = Wanted.files([path]) if path else Wanted.disks()
    except ValueError as error:
        raise VolumeError("InvalidContainerDisk", f"containerDisk.path: {error}", retryable=False) from error
    tree = await images.fetch(source["image"], wanted, source.get("imagePullPolicy"))
    if path:
        return tree.joinpath(*wanted.paths)
    found = sorted(await asyncio.to_thread(lambda: list((tree / DISK_FOLDER).iterdir())))
    if len(found) != 1:
        names = ", ".join(f"/{DISK_FOLDER}/{file.name}" for file in found)
        message = f"the image {source['image']} has several disks ({names}): choose one with containerDisk.path"
        raise VolumeError("AmbiguousDisk", message, retryable=False)
    return found[0]


def refuse_pull_secret(source: dict[str, Any]) -> None:
    """Raise VolumeError if ``source`` asks for a login at a registry, which is not supported."""
    if source.get("imagePullSecret"):
        message = f"imagePullSecret is not supported: copy {source['image']} into the node's own store of images"
        raise VolumeError("UnsupportedPullSecret", message, retryable=False)
