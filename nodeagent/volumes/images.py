"""The node's store of container images, of which only single files are kept: disks, kernels, initramfs.

An image is looked for in the store's own OCI layout first, then in its registry; ``oci:PATH[:NAME]`` and
``oci-archive:PATH[:NAME]`` name one on this machine, below directories that an administrator allows. What
is unpacked is kept by digest and by what was asked for, so the same image is never unpacked twice, and a
directory appears under its final name only when it is complete.
"""

import asyncio
import hashlib
import json
import os
import shutil
import ssl
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from weakref import WeakValueDictionary

import aiohttp

from nodeagent.volumes import manifest
from nodeagent.volumes.allowed import resolve_below
from nodeagent.volumes.layout import LayoutImage
from nodeagent.volumes.manifest import BlobSource, Descriptor, ImageError
from nodeagent.volumes.prepared import VolumeError
from nodeagent.volumes.reference import ImageReference, same_image
from nodeagent.volumes.registry import RegistryImage
from nodeagent.volumes.unpack import Wanted, unpack_layer

IMAGE_LIMIT = 256 * 1024**3  # bytes that are unpacked of one layer, at most

_SCHEMES = ("oci:", "oci-archive:")
_UNFINISHED = ".unpacking-"


class ImageStore:
    """Unpacked images, shared by all virtual machines of this node.

    Args:
        directory: Where images are kept. Its ``layout`` is the OCI layout whose images need no registry.
        allowed_directories: Below which ``oci:`` and ``oci-archive:`` may lead.
        insecure_registries: Hosts (with port) that may be read over plain HTTP.
        tls: Whom to trust as a registry; the system's authorities if None.
        limit: The most bytes that a layer may hold, packed or unpacked.
    """

    def __init__(
        self,
        directory: Path,
        allowed_directories: Sequence[Path],
        *,
        insecure_registries: Sequence[str] = (),
        tls: ssl.SSLContext | None = None,
        limit: int = IMAGE_LIMIT,
    ) -> None:
        self.layout = directory / "layout"
        self.unpacked = directory / "unpacked"
        """Where QEMU opens files; it must be let pass to there."""
        self._directory = directory
        self._allowed = tuple(allowed_directories)
        self._insecure = frozenset(insecure_registries)
        self._tls = tls
        self._limit = limit
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def discard_unfinished(self) -> None:
        """Remove what earlier processes had begun to unpack; to be called before the first fetch."""
        for each in await asyncio.to_thread(lambda: list(self.unpacked.glob(f"{_UNFINISHED}*"))):
            await asyncio.to_thread(shutil.rmtree, each, ignore_errors=True)

    async def fetch(self, image: str, wanted: Wanted, pull_policy: str | None = None) -> Path:
        """Return the directory that holds the ``wanted`` files of ``image``, at their paths in the image.

        Args:
            image: An image name, or ``oci:PATH[:NAME]`` or ``oci-archive:PATH[:NAME]``.
            wanted: Which files.
            pull_policy: Always, IfNotPresent or Never, as for a Pod; None means Always for the tag
                latest, otherwise IfNotPresent. It says when to ask the registry, nothing else.

        Raises:
            VolumeError: There is no such image, or it is not fit to be used.
        """
        lock = self._locks.setdefault(image, asyncio.Lock())
        async with lock:
            try:
                if image.startswith(_SCHEMES):
                    return await self._unpacked(await asyncio.to_thread(self._local, image), wanted)
                return await self._named(ImageReference.parse(image), wanted, pull_policy)
            except ValueError as error:
                raise VolumeError(
                    "InvalidImageName", f"{image!r} is not an image name: {error}", retryable=False
                ) from error
            except ImageError as error:
                message = f"the image {image} cannot be used: {error}"
                raise VolumeError("ErrImagePull", message, retryable=error.retryable) from error
            except OSError as error:
                raise VolumeError(
                    "ErrImagePull", f"the image {image} cannot be kept: {error}", retryable=True
                ) from error

    def _local(self, image: str) -> LayoutImage:
        """The image that ``oci:PATH[:NAME]`` or ``oci-archive:PATH[:NAME]`` means."""
        path, _, name = image.partition(":")[2].partition(":")
        resolved = resolve_below(Path(path), self._allowed)
        if resolved is None:
            allowed = ", ".join(map(str, self._allowed)) or "none is configured"
            raise ImageError(f"{path} is not below a directory for images of this node ({allowed})")
        if image.startswith("oci:") != resolved.is_dir():
            raise ImageError(f"{path} is not {'an OCI layout directory' if image.startswith('oci:') else 'a file'}")
        return LayoutImage(resolved, lambda stored: not name or stored == name, only_one=not name)

    async def _named(self, reference: ImageReference, wanted: Wanted, pull_policy: str | None) -> Path:
        """The image from the own layout, from what is unpacked already, or from its registry."""
        own = LayoutImage(self.layout, lambda stored: same_image(stored, reference))
        if (self.layout / "index.json").exists():
            found = await _root_or_none(own)
            if found:
                return await self._unpacked(own, wanted, found)
        policy = pull_policy or ("Always" if reference.version == "latest" else "IfNotPresent")
        kept = None if policy == "Always" else await asyncio.to_thread(self._remembered, reference, wanted)
        if kept:
            return kept
        if policy == "Never":
            raise VolumeError(
                "ErrImageNeverPull",
                f"the image {reference} is not on this node (looked in {self.layout}) and its imagePullPolicy is "
                "Never: put it there, or change the policy",
                retryable=True,
            )
        async with self._registry(reference) as source:
            try:
                root = await source.root()
                tree = await self._unpacked(source, wanted, root)
            except ImageError as error:
                hint = f"{error}. It is not in this node's own store {self.layout} either"
                raise ImageError(hint, retryable=error.retryable) from error
        await asyncio.to_thread(self._remember, reference, root)
        return tree

    @asynccontextmanager
    async def _registry(self, reference: ImageReference) -> AsyncGenerator[RegistryImage, None]:
        insecure = reference.registry in self._insecure
        async with aiohttp.ClientSession(trust_env=True) as session:
            yield RegistryImage(session, reference, self._limit, insecure=insecure, tls=self._tls)

    async def _unpacked(self, source: BlobSource, wanted: Wanted, root: Descriptor | None = None) -> Path:
        """The directory of the image's wanted files, unpacked now if it does not exist yet."""
        root = root or await source.root()
        tree = self._tree(root.digest, wanted)
        if tree.is_dir():
            return tree
        await asyncio.to_thread(tree.parent.mkdir, parents=True, exist_ok=True)
        layers = await manifest.layers(source, root)
        scratch = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=_UNFINISHED, dir=tree.parent))
        try:
            unfinished = scratch / "tree"
            await asyncio.to_thread(unfinished.mkdir)
            for number, layer in enumerate(layers):
                packed = scratch / f"layer-{number}"
                await source.save(layer, packed)
                await asyncio.to_thread(unpack_layer, packed, wanted, unfinished, self._limit)
                await asyncio.to_thread(packed.unlink)
            if missing := wanted.missing(unfinished):
                raise ImageError(f"it has no {', '.join(missing)}")
            await asyncio.to_thread(_publish, unfinished, tree)
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
        return tree

    def _tree(self, digest: str, wanted: Wanted) -> Path:
        """Where the wanted files of the image with ``digest`` are, or will be."""
        kind = hashlib.sha256("\0".join(sorted(wanted.paths)).encode()).hexdigest()[:16] if wanted.paths else "disk"
        return self.unpacked / f"{digest.removeprefix('sha256:')}-{kind}"

    def _note(self, reference: ImageReference) -> Path:
        """The file that says which digest a name meant when it was last pulled."""
        return self._directory / "pulled" / f"{hashlib.sha256(str(reference).encode()).hexdigest()}.json"

    def _remembered(self, reference: ImageReference, wanted: Wanted) -> Path | None:
        """The unpacked files of the image as it was last pulled, if they are still here."""
        try:
            note = json.loads(self._note(reference).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        tree = self._tree(str(note.get("digest")), wanted)
        return tree if tree.is_dir() else None

    def _remember(self, reference: ImageReference, root: Descriptor) -> None:
        """Note, for IfNotPresent and Never, what ``reference`` means."""
        note = self._note(reference)
        note.parent.mkdir(parents=True, exist_ok=True)
        unfinished = note.with_suffix(".new")
        unfinished.write_text(json.dumps({"image": str(reference), "digest": root.digest}))
        unfinished.replace(note)


async def _root_or_none(source: LayoutImage) -> Descriptor | None:
    """The image's descriptor, or None when the layout does not have it."""
    try:
        return await source.root()
    except ImageError:
        return None


def _publish(unfinished: Path, tree: Path) -> None:
    """Move a complete directory to its final name, unless another fetch of the same image was faster."""
    for folder, _, _ in os.walk(unfinished):
        Path(folder).chmod(0o755)  # whatever the umask: QEMU must reach the files
    try:
        unfinished.rename(tree)
    except OSError:
        if not tree.is_dir():
            raise
