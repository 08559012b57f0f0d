"""The directories of guests on this node: prepared volumes, and a place where QEMU writes its logs and sockets."""

import asyncio
import os
from collections.abc import Collection
from pathlib import Path
from uuid import UUID

import structlog

from kube.objects import Object
from nodeagent.hypervisor.passage import let_pass, let_use, let_write
from nodeagent.volumes.cloudinit import Secrets
from nodeagent.volumes.prepare import Volumes
from nodeagent.volumes.prepared import PreparedVolumes, refusals_told

RUNTIME = "run"

log = structlog.get_logger(__name__)


class Workspaces:
    """One directory a guest, below ``root``, named by the uid of its instance."""

    def __init__(self, root: Path, volumes: Volumes, images: Path, qemu_user: int | None) -> None:
        """``volumes`` prepares below the same ``root``, from what is unpacked in ``images``.

        ``qemu_user`` is whom QEMU runs as; None if as ourselves.
        """
        self._root = root
        self._volumes = volumes
        self._images = images
        self._qemu_user = qemu_user

    async def open(self) -> None:
        """Make the directories and let QEMU reach them. Raises PassageError."""
        for each in (self._root, self._images):
            await asyncio.to_thread(each.mkdir, mode=0o711, parents=True, exist_ok=True)
            if self._qemu_user is not None:
                await let_pass(each, self._qemu_user)

    async def prepare(self, instance: Object, secrets: Secrets) -> tuple[PreparedVolumes, Path]:
        """Return the instance's volumes and the directory where its QEMU may write.

        Raises VolumeError, PassageError.
        """
        # Again for each guest: a later change of a directory's mode takes the way away.
        await self.open()
        prepared = await self._volumes.prepare(instance, secrets)
        runtime = self._root / instance["metadata"]["uid"] / RUNTIME
        with refusals_told("the directory of the guest"):
            await asyncio.to_thread(runtime.mkdir, mode=0o700, exist_ok=True)
        if self._qemu_user is not None:
            await let_write(runtime, self._qemu_user)
            await let_use(runtime, os.geteuid())
        return prepared, runtime

    async def discard(self, uid: str) -> None:
        """Remove one guest's directory, if there is one."""
        await self._volumes.discard(uid)

    async def discard_others(self, keep: Collection[str]) -> None:
        """Remove the directories of all guests but those in ``keep``; what is not a guest's is left alone."""
        found = await asyncio.to_thread(lambda: [each.name for each in self._root.iterdir() if _is_of_guest(each)])
        for uid in found:
            if uid not in keep:
                try:
                    await self.discard(uid)
                except OSError as error:
                    log.warning("cannot remove what an old guest left behind", uid=uid, error=str(error))


def _is_of_guest(path: Path) -> bool:
    """Tell a guest's directory, whose name is a uid, from ``lost+found`` and from what a person put beside it."""
    try:
        return path.name == str(UUID(path.name)) and path.is_dir() and not path.is_symlink()
    except ValueError:
        return False
