"""Images on this machine: OCI layout directories and tar archives of them."""

import asyncio
import hashlib
import shutil
import tarfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nodeagent.volumes import manifest
from nodeagent.volumes.manifest import Descriptor, ImageError

_COPY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class LayoutImage:
    """One image of an OCI layout (a directory, or a tar archive of one); ``matches`` picks it by its name."""

    path: Path
    matches: Callable[[str], bool]
    only_one: bool = False
    """Accept an image of any name, or none, if it is the only one."""

    async def root(self) -> Descriptor:
        """The image's descriptor in the layout's index."""
        return await asyncio.to_thread(self._find)

    async def read(self, part: Descriptor) -> bytes:
        """A manifest, verified."""
        return manifest.verify(part, await asyncio.to_thread(self._read, _blob(part)))

    async def save(self, part: Descriptor, target: Path) -> None:
        """Copy a layer to ``target``, verified."""
        await asyncio.to_thread(self._copy, part, target)

    def _find(self) -> Descriptor:
        manifests = manifest.parse(self._read("index.json")).get("manifests")
        entries = [entry for entry in manifests if isinstance(entry, dict)] if isinstance(manifests, list) else []
        named = [entry for entry in entries if self.matches(_name(entry))]
        if not named and self.only_one and len(entries) == 1:
            named = entries
        if not named:
            names = ", ".join(sorted(filter(None, map(_name, entries)))) or "none with a name"
            raise ImageError(f"{self.path} holds no such image; it holds: {names}")
        return manifest.descriptor(named[0])

    def _read(self, name: str) -> bytes:
        with self._open(name) as file:
            body = file.read(manifest.MANIFEST_LIMIT + 1)
        if len(body) > manifest.MANIFEST_LIMIT:
            raise ImageError(f"{name} in {self.path} is larger than {manifest.MANIFEST_LIMIT} bytes")
        return body

    def _copy(self, part: Descriptor, target: Path) -> None:
        with self._open(_blob(part)) as file, target.open("xb") as copy:
            shutil.copyfileobj(file, copy, _COPY_BYTES)
        with target.open("rb") as copy:
            digest = hashlib.file_digest(copy, "sha256").hexdigest()
        if part.digest != f"sha256:{digest}":
            raise ImageError(f"{part.digest} in {self.path} is damaged: it has the digest sha256:{digest}")

    @contextmanager
    def _open(self, name: str) -> Generator[IO[bytes], None, None]:
        """Open a regular file of the layout; never one that a link inside it points to."""
        try:
            if self.path.is_dir():
                path = self.path / name
                if not path.resolve(strict=True).is_relative_to(self.path.resolve()):
                    raise ImageError(f"{path} leads out of the image's directory")
                with path.open("rb") as file:
                    yield file
                return
            with tarfile.open(self.path) as archive, _member(archive, name) as file:
                yield file
        except FileNotFoundError as error:
            raise ImageError(f"{self.path} is not a complete OCI layout: {name} is missing") from error
        except tarfile.TarError as error:
            raise ImageError(f"{self.path} is neither an OCI layout nor a readable tar of one") from error


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    """The regular file ``name`` of ``archive``; FileNotFoundError when it has none."""
    for member in archive:
        if member.name.removeprefix("./") == name and member.isreg():
            file = archive.extractfile(member)
            if file is not None:
                return file
    raise FileNotFoundError(name)


def _blob(part: Descriptor) -> str:
    """A part's place in a layout."""
    return f"blobs/{part.digest.replace(':', '/')}"


def _name(entry: dict[str, Any]) -> str:
    """The name an index gives to an image; empty when it has none."""
    match entry:
        case {"annotations": {manifest.REF_NAME: str(name)}}:
            return name
        case _:
            return ""
