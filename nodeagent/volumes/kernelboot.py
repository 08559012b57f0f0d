"""kernelBoot: a kernel and an initial file system out of a container image, started without a boot loader."""

from typing import Any

from nodeagent.volumes.containerdisk import refuse_pull_secret
from nodeagent.volumes.images import ImageStore
from nodeagent.volumes.prepared import PreparedKernel, VolumeError
from nodeagent.volumes.unpack import Wanted


async def prepare(kernel_boot: dict[str, Any], images: ImageStore) -> PreparedKernel | None:
    """Take the files that ``firmware.kernelBoot`` names out of its image; None when it names no image.

    Raises:
        VolumeError: The image is not there or lacks a file.
    """
    container = kernel_boot.get("container")
    if not container:
        return None
    refuse_pull_secret(container)
    paths = {key: container[key] for key in ("kernelPath", "initrdPath") if container.get(key)}
    try:
        single = {key: Wanted.files([path]) for key, path in paths.items()}
        wanted = Wanted.files(paths.values())
    except ValueError as error:
        raise VolumeError("InvalidKernelBoot", f"kernelBoot.container: {error}", retryable=False) from error
    if not paths:
        raise VolumeError(
            "InvalidKernelBoot", "kernelBoot.container names neither a kernel nor an initrd", retryable=False
        )
    tree = await images.fetch(container["image"], wanted, container.get("imagePullPolicy"))
    found = {key: tree.joinpath(*one.paths) for key, one in single.items()}
    return PreparedKernel(found.get("kernelPath"), found.get("initrdPath"), kernel_boot.get("kernelArgs", ""))
