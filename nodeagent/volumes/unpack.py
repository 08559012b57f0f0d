"""Taking single files out of an image's layers, which anybody may have written.

Nothing is ever extracted as the archive says: each wanted regular file is copied to a new file of ours.
Links, devices and paths that climb are refused, and no more is decompressed than the limit allows.
"""

import gzip
import io
import shutil
import tarfile
import zlib
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from nodeagent.volumes.manifest import ImageError

DISK_FOLDER = "disk"

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
# tarfile reads an extended header into memory at the size the archive claims; honest ones are tiny.
_READ_LIMIT = 4 * 1024 * 1024
_COPY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is taken out of an image: exact paths, or every file directly in the folder /disk."""

    paths: frozenset[str] = frozenset()

    @classmethod
    def disks(cls) -> "Wanted":
        """Every file directly below /disk, where a container disk keeps its image."""
        return cls()

    @classmethod
    def files(cls, paths: Iterable[str]) -> "Wanted":
        """Exactly ``paths``, each absolute; ValueError for a path that climbs."""
        normal = frozenset(_normal(path) for path in paths)
        if "" in normal:
            raise ValueError("a path of a file in the image is needed")
        return cls(normal)

    def includes(self, path: str) -> bool:
        """Whether the file at ``path`` (relative, normal) is wanted."""
        return path in self.paths if self.paths else str(PurePosixPath(path).parent) == DISK_FOLDER

    def missing(self, tree: Path) -> list[str]:
        """What ``tree`` should hold and does not, as absolute paths of the image."""
        if self.paths:
            return sorted(f"/{path}" for path in self.paths if not (tree / path).is_file())
        folder = tree / DISK_FOLDER
        return [] if folder.is_dir() and any(folder.iterdir()) else [f"/{DISK_FOLDER}/*"]


class _Bounded(io.RawIOBase):
    """A readable stream that fails beyond ``limit`` bytes in total and beyond _READ_LIMIT in one read."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream = stream
        self._limit = limit

    def read(self, size: int = -1, /) -> bytes:
        if size > _READ_LIMIT:
            raise ImageError("the image has a header of an absurd size: it is damaged or hostile")
        content = self._stream.read(size)
        self._check()
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if offset > self._limit:
            raise ImageError(_too_large(self._limit))
        position = self._stream.seek(offset, whence)
        self._check()
        return position

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def _check(self) -> None:
        if self._stream.tell() > self._limit:
            raise ImageError(_too_large(self._limit))


def unpack_layer(layer: Path, wanted: Wanted, tree: Path, limit: int) -> None:
    """Copy the wanted files of one layer into ``tree``, over what lower layers put there.

    Args:
        layer: The layer: a tar, plain or with gzip.
        wanted: Which files to take.
        tree: An existing directory that only this image is unpacked into.
        limit: The most bytes to decompress.

    Raises:
        ImageError: The layer is damaged, hostile, too large, or compressed in a way that is not supported.
    """
    try:
        with ExitStack() as stack:
            raw = stack.enter_context(layer.open("rb"))
            stream = _Bounded(_decompressed(raw, stack), limit)
            with tarfile.open(fileobj=stream, mode="r:") as archive:
                for member in archive:
                    _take(archive, member, wanted, tree)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ImageError(f"a layer of the image is damaged: {error}") from error


def _decompressed(raw: IO[bytes], stack: ExitStack) -> IO[bytes]:
    """The layer's tar; told apart by first bytes, as media types are often wrong."""
    start = raw.read(4)
    raw.seek(0)
    if start == _ZSTD:
        raise ImageError(
            "the image's layers are compressed with zstd, which is not supported: "
            "copy it with `skopeo copy --dest-compress-format gzip`"
        )
    return cast("IO[bytes]", stack.enter_context(gzip.open(raw))) if start.startswith(_GZIP) else raw


def _take(archive: tarfile.TarFile, member: tarfile.TarInfo, wanted: Wanted, tree: Path) -> None:
    """Apply one member to ``tree`` if it concerns a wanted file."""
    try:
        path = _normal(member.name)
    except ValueError as error:
        raise ImageError(f"the image holds the path {member.name!r}, which climbs out of it") from error
    folder, name = PurePosixPath(path).parent, PurePosixPath(path).name
    if name == _OPAQUE:
        _remove(tree / folder)
        return
    if name.startswith(_WHITEOUT):
        _remove(tree / folder / _hidden(name))
        return
    if not wanted.includes(path) or member.isdir():
        return
    if not member.isreg() or member.issparse():
        raise ImageError(f"/{path} in the image is not a plain file but a link, a device or sparse")
    _remove(tree / path)
    content = archive.extractfile(member)
    if content is None:
        raise ImageError(f"/{path} in the image cannot be read")
    _copy(content, tree, path)


def _hidden(whiteout: str) -> str:
    """The name in a lower layer that a whiteout file hides."""
    name = whiteout.removeprefix(_WHITEOUT)
    if name in ("", ".", ".."):
        raise ImageError(f"the image hides the path {name!r}, which climbs out of it")
    return name


def _copy(content: IO[bytes], tree: Path, path: str) -> None:
    """Write a new file ``path`` in ``tree`` that anybody may read and nobody write: QEMU runs as its own user."""
    target = tree / path
    # tree holds only directories and files made here, so no part of this path can be a link.
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        shutil.copyfileobj(content, file, _COPY_BYTES)
    target.chmod(0o444)


def _remove(path: Path) -> None:
    """Remove what a lower layer put at ``path``, if anything."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _normal(path: str) -> str:
    """``path`` without a leading slash and without dots; ValueError if it climbs."""
    parts = [part for part in PurePosixPath(path).parts if part not in ("/", "//")]
    if ".." in parts or "\0" in path:
        raise ValueError(f"the path {path!r} climbs")
    return "/".join(parts)


def _too_large(limit: int) -> str:
    return f"the image is larger than the {limit} bytes that are accepted"
