"""All volumes of a VMI, prepared side by side in a workspace of its own."""

import asyncio
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nodeagent.volumes import cloudinit, containerdisk, emptydisk, hostdisk, kernelboot
from nodeagent.volumes.cloudinit import Secrets
from nodeagent.volumes.images import ImageStore
from nodeagent.volumes.prepared import PreparedDisk, PreparedKernel, PreparedVolumes, VolumeError, refusals_told

_SAFE_NAME = re.compile(r"[a-z0-9A-Z](?:[a-z0-9A-Z-]{0,251}[a-z0-9A-Z])?")


class Volumes:
    """Prepares and discards what VMIs' volumes need on this node.

    Files get no owner: libvirt gives them to the QEMU user it is configured with when a domain starts,
    and takes them back afterwards. Directories let that user pass, whatever the umask; files that hold
    what a guest wrote or was told are for their owner only.

    Args:
        root: Workspaces are ``<root>/<uid>``.
        images: The node's images.
        allowed_directories: Below which host disks may be.
    """

    def __init__(self, root: Path, images: ImageStore, allowed_directories: Sequence[Path] = ()) -> None:
        self._root = root
        self._images = images
        self._allowed = tuple(allowed_directories)

    async def prepare(self, vmi: dict[str, Any], secrets: Secrets) -> PreparedVolumes:
        """Prepare every volume of ``vmi``. What exists is kept, so an agent that restarts changes nothing.

        Raises:
            VolumeError: The first that failed; the others are finished or undone before it is raised.
        """
        workspace = self._workspace(vmi["metadata"]["uid"])
        with refusals_told("the directory of the guest"):
            await asyncio.to_thread(_make, workspace)
        spec = vmi["spec"]
        kernel_boot = spec.get("domain", {}).get("firmware", {}).get("kernelBoot", {})
        try:
            async with asyncio.TaskGroup() as group:
                kernel = group.create_task(self._kernel(kernel_boot))
                disks = [
                    group.create_task(self._volume(volume, vmi, workspace, secrets))
                    for volume in spec.get("volumes", [])
                ]
        except BaseExceptionGroup as failures:
            # Not `except*`: what is raised there comes out as a group again.
            refused, others = failures.split(VolumeError)
            if refused is None or others is not None:
                raise
            raise _first(refused) from failures
        return PreparedVolumes({disk.name: disk for disk in (task.result() for task in disks)}, kernel.result())

    async def discard(self, uid: str) -> None:
        """Remove the workspace of the VMI ``uid``; host disks and images stay."""
        workspace = self._workspace(uid)
        if await asyncio.to_thread(workspace.exists):
            await asyncio.to_thread(shutil.rmtree, workspace)

    async def _kernel(self, kernel_boot: dict[str, Any]) -> PreparedKernel | None:
        with refusals_told("kernelBoot"):
            return await kernelboot.prepare(kernel_boot, self._images)

    async def _volume(
        self, volume: dict[str, Any], vmi: dict[str, Any], workspace: Path, secrets: Secrets
    ) -> PreparedDisk:
        with refusals_told(f"the volume {volume['name']}"):
            return await self._disk(volume, vmi, workspace, secrets)

    async def _disk(
        self, volume: dict[str, Any], vmi: dict[str, Any], workspace: Path, secrets: Secrets
    ) -> PreparedDisk:
        name = volume["name"]
        if not _SAFE_NAME.fullmatch(name):
            raise VolumeError("InvalidVolume", f"{name!r} is not the name of a volume", retryable=False)
        match volume:
            case {"containerDisk": dict(source)}:
                return await containerdisk.prepare(name, source, workspace, self._images)
            case {"cloudInitNoCloud": dict(source)}:
                return await cloudinit.prepare(name, source, vmi, workspace, secrets)
            case {"emptyDisk": dict(source)}:
                return await emptydisk.prepare(name, source, workspace)
            case {"hostDisk": dict(source)}:
                return await hostdisk.prepare(name, source, self._allowed)
            case _:
                kinds = ", ".join(sorted(key for key in volume if key != "name")) or "nothing"
                supported = "containerDisk, cloudInitNoCloud, emptyDisk and hostDisk"
                message = f"the volume {name} is of a kind this node cannot provide ({kinds}); it can: {supported}"
                raise VolumeError("UnsupportedVolume", message, retryable=False)

    def _workspace(self, uid: str) -> Path:
        """The directory of one VMI; its uid comes from the API, and is checked all the same."""
        if not _SAFE_NAME.fullmatch(uid):
            raise VolumeError("InvalidVolume", f"{uid!r} is not a uid", retryable=False)
        return self._root / uid


def _make(workspace: Path) -> None:
    """Make the workspace so that the QEMU user may pass through it but not list it."""
    workspace.mkdir(parents=True, exist_ok=True)
    workspace.parent.chmod(0o711)
    workspace.chmod(0o711)


def _first(failures: BaseExceptionGroup[VolumeError]) -> VolumeError:
    """The first error of a group: what a user can act upon, one thing at a time."""
    for failure in failures.exceptions:
        return _first(failure) if isinstance(failure, BaseExceptionGroup) else failure
    raise AssertionError("an exception group is never empty")
