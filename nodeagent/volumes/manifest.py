"""The parts of the OCI image format that reading a disk out of an image needs.

Manifests are untrusted: they come from a registry or from a user's directory. What is read here is
checked for shape, and every blob is checked against its digest by whoever fetches it.
The format: https://github.com/opencontainers/image-spec.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

MANIFEST_LIMIT = 4 * 1024 * 1024  # bytes; also the limit of most registries
LAYERS_LIMIT = 128
PLATFORM = ("linux", "amd64")
REF_NAME = "org.opencontainers.image.ref.name"

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class ImageError(Exception):
    """An image, or a part of it, is not there or not what it claims to be. ``retryable`` if waiting can help."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What names a blob: its sha256 digest and its size in bytes."""

    digest: str
    size: int


class BlobSource(Protocol):
    """Where the parts of one image come from: a layout, an archive or a registry."""

    async def root(self) -> Descriptor:
        """The descriptor of the image's manifest or index. Raises ImageError when there is no such image."""
        ...

    async def read(self, part: Descriptor) -> bytes:
        """A small part (a manifest), verified. Raises ImageError."""
        ...

    async def save(self, part: Descriptor, target: Path) -> None:
        """Write a large part (a layer) to the new file ``target``, verified. Raises ImageError."""
        ...


def descriptor(value: Any) -> Descriptor:
    """Read a descriptor out of a manifest or an index; ImageError when it is malformed."""
    match value:
        case {"digest": str(digest), "size": int(size)} if _DIGEST.fullmatch(digest) and size >= 0:
            return Descriptor(digest, size)
        case _:
            raise ImageError("the image's manifest has a part without a sha256 digest and a size")


def parse(body: bytes) -> dict[str, Any]:
    """A manifest or index as JSON; ImageError when it is not an object."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise ImageError("the image's manifest is not JSON") from error
    if not isinstance(value, dict):
        raise ImageError("the image's manifest is not a JSON object")
    return value


def verify(part: Descriptor, content: bytes) -> bytes:
    """Return ``content`` if it is what ``part`` names; ImageError otherwise."""
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if digest != part.digest:
        raise ImageError(f"the content of {part.digest} is damaged: it has the digest {digest}")
    return content


async def layers(source: BlobSource, root: Descriptor) -> list[Descriptor]:
    """The layers of the image at ``root``, lowest first, for PLATFORM if it exists for several.

    Raises:
        ImageError: The image is malformed, too large, or not made for this platform.
    """
    body = parse(await source.read(root))
    if "manifests" in body:
        body = parse(await source.read(_for_platform(body["manifests"])))
    found = body.get("layers")
    if not isinstance(found, list):
        raise ImageError("the image's manifest names no layers: only OCI images and Docker's version 2 can be read")
    if len(found) > LAYERS_LIMIT:
        raise ImageError(f"the image has {len(found)} layers; at most {LAYERS_LIMIT} are accepted")
    return [descriptor(layer) for layer in found]


def _for_platform(manifests: Any) -> Descriptor:
    """The manifest for PLATFORM out of an index's list."""
    for entry in manifests if isinstance(manifests, list) else []:
        match entry:
            case {"platform": {"os": os, "architecture": architecture}} if (os, architecture) == PLATFORM:
                return descriptor(entry)
            case _:
                continue
    raise ImageError(f"the image does not exist for {'/'.join(PLATFORM)}")
