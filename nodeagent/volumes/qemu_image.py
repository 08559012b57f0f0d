"""Disk image files: which format they have, whether they are safe to open, and making new ones.

An image may come from anybody. A qcow2 that names a backing file or a data file would make QEMU open
whatever it says, with the host's eyes, so such images are refused; and a header is read here before any
program is allowed to follow it. Everything that is not qcow2 is raw: no other format is ever guessed.
"""

import asyncio
import json
import struct
from pathlib import Path
from typing import Any

from nodeagent.volumes.prepared import VolumeError

QEMU_IMG_SECONDS = 60

_QCOW2_MAGIC = b"QFI\xfb"
_DATA_FILE_BIT = 1 << 2  # https://www.qemu.org/docs/master/interop/qcow2.html, incompatible features


async def safe_format(path: Path) -> str:
    """Return ``qcow2`` or ``raw`` for an image that refers to no other file.

    Raises:
        VolumeError: The image refers to another file, is encrypted, or is not a usable image.
    """
    with_header = await asyncio.to_thread(_read_header, path)
    if not with_header.startswith(_QCOW2_MAGIC):
        return "raw"
    if trouble := _refers_elsewhere(with_header):
        raise VolumeError(
            "InvalidDiskImage", f"the disk image {path.name} {trouble}, which is refused", retryable=False
        )
    info = await describe(path)
    if "backing-filename" in info or "data-file" in json.dumps(info.get("format-specific", {})):
        raise VolumeError("InvalidDiskImage", f"the disk image {path.name} refers to another file", retryable=False)
    return "qcow2"


async def describe(path: Path) -> dict[str, Any]:
    """What ``qemu-img info`` says about a qcow2 image whose header was found safe, or that we made."""
    return json.loads(await qemu_img("info", "--output=json", "-U", "-f", "qcow2", str(path)))


async def create(path: Path, *, size: int | None = None, backing: tuple[Path, str] | None = None) -> None:
    """Make the qcow2 image ``path`` of ``size`` bytes, or over a backing file with its format.

    It appears under its name only when it is complete, and is readable by its owner only, as guests write to it.
    """
    unfinished = path.with_name(f".{path.name}.new")
    options = ["-b", str(backing[0]), "-F", backing[1]] if backing else []
    await qemu_img("create", "-q", "-f", "qcow2", *options, str(unfinished), *([str(size)] if size else []))
    await asyncio.to_thread(unfinished.chmod, 0o600)
    await asyncio.to_thread(unfinished.replace, path)


async def qemu_img(*arguments: str) -> bytes:
    """Run qemu-img and return what it prints; VolumeError with its complaint when it fails."""
    try:
        process = await asyncio.create_subprocess_exec(
            "qemu-img", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
    except FileNotFoundError as error:
        message = "qemu-img is not installed on this node: on Debian, install qemu-utils"
        raise VolumeError("MissingProgram", message, retryable=True) from error
    try:
        async with asyncio.timeout(QEMU_IMG_SECONDS):
            out, complaint = await process.communicate()
    except TimeoutError as error:
        message = f"qemu-img {arguments[0]} did not end within {QEMU_IMG_SECONDS} s"
        raise VolumeError("VolumeNotPrepared", message, retryable=True) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        text = complaint.decode(errors="replace").strip()
        raise VolumeError("InvalidDiskImage", f"qemu-img {arguments[0]} failed: {text}", retryable=False)
    return out


def _read_header(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(104)


def _refers_elsewhere(header: bytes) -> str | None:
    """What in a qcow2 header needs something outside the file, in words; None when nothing does."""
    if len(header) < 72:
        return "is cut off"
    version, backing_offset = struct.unpack_from(">IQ", header, 4)
    if version not in (2, 3):
        return f"has the unknown version {version}"
    if backing_offset:
        return "has a backing file"
    if struct.unpack_from(">I", header, 32)[0]:
        return "is encrypted"
    if version == 3 and struct.unpack_from(">Q", header.ljust(80, b"\0"), 72)[0] & _DATA_FILE_BIT:
        return "has a data file"
    return None
