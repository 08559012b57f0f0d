"""Images made on the fly: real layers, manifests and layouts, well-formed or hostile."""

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer(files: dict[str, bytes | tarfile.TarInfo]) -> bytes:
    """A gzip layer; a TarInfo as the value is written as it is, such as a link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)


class Image:
    """An image of some layers: its blobs by digest, and its manifest."""

    def __init__(self, *layers: bytes) -> None:
        config = b"{}"
        self.blobs = {digest(blob): blob for blob in (config, *layers)}
        parts = [{"digest": digest(blob), "size": len(blob)} for blob in layers]
        described = {"digest": digest(config), "size": len(config)}
        self.manifest = json.dumps({"schemaVersion": 2, "config": described, "layers": parts}).encode()

    def write(self, directory: Path, name: str) -> None:
        blobs = directory / "blobs/sha256"
        blobs.mkdir(parents=True, exist_ok=True)
        for blob in (self.manifest, *self.blobs.values()):
            (blobs / digest(blob).removeprefix("sha256:")).write_bytes(blob)
        entry = {
            "mediaType": MANIFEST,
            "digest": digest(self.manifest),
            "size": len(self.manifest),
            "annotations": {"org.opencontainers.image.ref.name": name},
        }
        (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))


@pytest.fixture
def image() -> type[Image]:
    return Image


@pytest.fixture
def make_layer() -> Callable[[dict[str, bytes | tarfile.TarInfo]], bytes]:
    return layer


@pytest.fixture
def qcow2(tmp_path: Path) -> bytes:
    path = tmp_path / "made.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1M"], check=True)
    return path.read_bytes()
