#!/usr/bin/env python3
"""Build the example guest: a Linux that boots in two seconds, as a container image in an OCI layout.

Everything in it comes from Debian packages that apt already knows: the kernel for clouds, busybox and
the QEMU guest agent. Nothing is installed and no privilege is needed. The same packages make the same
bytes, and nothing is done when the image is already made of them. It needs apt-get, dpkg and qemu-img:

    python3 examples/guest/build.py --output DIRECTORY

The image has one layer: ``/boot/vmlinuz``, ``/boot/initramfs.gz`` and ``/disk/disk.qcow2``.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

IMAGE = "virtplane/busybox:latest"
HERE = Path(__file__).resolve().parent
SOURCES = ("build.py", "init", "udhcpc.script", "shutdown")
KERNEL = "linux-image-cloud-amd64"
PROGRAMS = ("busybox-static", "qemu-guest-agent")
DISK_SIZE = "64M"
REF_NAME = "org.opencontainers.image.ref.name"
MADE_FROM = "io.virtplane.made-from"

# What a guest of ours may be given. A kernel that lacks one (or has it built in) does without the file.
MODULES = (
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio_console",
    "virtio_scsi",
    "virtio_balloon",
    "virtio_rng",
    "ahci",
    "ata_piix",
    "sd_mod",
    "sr_mod",
    "isofs",
    "af_packet",
    "e1000",
    "e1000e",
    "button",
    "evdev",
)
REQUIRED_MODULES = {"virtio_pci", "virtio_blk", "virtio_net"}

OS_RELEASE = """NAME="Virtplane example guest"
ID=virtplane-guest
VERSION_ID="1"
PRETTY_NAME="Virtplane example guest"
"""


class BuildError(Exception):
    """The image cannot be built; the message says what is missing and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the image unless it is there; return 0, or 1 after saying why it could not be built."""
    parser = argparse.ArgumentParser(description="Build the example guest as an OCI image layout.")
    parser.add_argument("--output", type=Path, required=True, help="directory of the OCI layout; made if missing")
    output: Path = parser.parse_args(arguments).output
    try:
        build(output)
    except (BuildError, OSError) as error:
        print(f"guest image: {error}", file=sys.stderr)
        return 1
    return 0


def build(output: Path) -> None:
    """Write the image into the OCI layout ``output``, beside whatever other images that layout has.

    Raises:
        BuildError: A tool or a package is missing.
    """
    require_tools("apt-get", "apt-cache", "dpkg", "qemu-img")
    packages = wanted_packages()
    inputs = fingerprint(packages)
    layout = Layout(output)
    if layout.holds(IMAGE, inputs):
        say(f"{IMAGE} in {output} is up to date")
        return
    with tempfile.TemporaryDirectory(prefix="virtplane-guest-") as scratch:
        tree = Path(scratch, "tree")
        say(f"downloading {len(packages)} Debian packages")
        unpack(packages, Path(scratch, "packages"), tree)
        say("making the initial file system")
        files = {
            "boot/vmlinuz": one(tree.glob("boot/vmlinuz-*"), "a kernel").read_bytes(),
            "boot/initramfs.gz": gzip.compress(archive(initramfs(tree)), mtime=0),
            "disk/disk.qcow2": empty_disk(Path(scratch, "disk.qcow2")),
        }
    say("writing the image")
    layout.add(IMAGE, files, inputs)
    say(f"{IMAGE} is in {output}")


def say(what: str) -> None:
    """Print one line of progress at once, also into a pipe."""
    print(f"guest image: {what}", flush=True)


# --- packages -----------------------------------------------------------------------------------


def require_tools(*tools: str) -> None:
    """Raise BuildError, naming every tool that is not on the PATH."""
    if missing := [tool for tool in tools if shutil.which(tool) is None]:
        raise BuildError(
            f"these programs are missing: {', '.join(missing)}. The builder runs on Debian and its relatives; "
            "qemu-img is in the package qemu-utils"
        )


def run(*command: str, cwd: Path | None = None) -> str:
    """Run ``command`` and return its output; raise BuildError with what it complained about."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"}
    )
    if done.returncode != 0:
        complaint = (done.stderr or done.stdout).strip()
        raise BuildError(f"`{' '.join(command[:3])} …` failed: {complaint}. `apt-get update` may help")
    return done.stdout


def wanted_packages() -> list[str]:
    """The names of the packages to download: the kernel itself, the programs and the agent's libraries."""
    depends = run("apt-cache", "depends", "--important", KERNEL)
    kernel = re.search(r"Depends: (linux-image-\S+)", depends)
    if kernel is None:
        raise BuildError(f"apt knows no package {KERNEL}: run `apt-get update` with Debian's main archive enabled")
    flags = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
    closure = run("apt-cache", "depends", "--recurse", *flags, "qemu-guest-agent")
    libraries = re.findall(r"^(lib\S+)$", closure, re.MULTILINE)
    return sorted({kernel.group(1), *PROGRAMS, *(name for name in libraries if not name.endswith(":i386"))})


def fingerprint(packages: Sequence[str]) -> str:
    """A digest of everything the image is made of: exact packages and this builder's own files."""
    exact = run("apt-get", "download", "--print-uris", *packages)
    digest = hashlib.sha256(exact.encode())
    for name in SOURCES:
        digest.update(Path(HERE, name).read_bytes())
    return f"sha256:{digest.hexdigest()}"


def unpack(packages: Sequence[str], downloads: Path, tree: Path) -> None:
    """Download ``packages`` and unpack them, one over the other, into ``tree``."""
    downloads.mkdir()
    # apt would drop to a user who may not write here; as nobody else is involved, it need not.
    run("apt-get", "-q", "-o", "APT::Sandbox::User=", "download", *packages, cwd=downloads)
    for package in sorted(downloads.glob("*.deb")):
        run("dpkg", "-x", str(package), str(tree))


def one(found: Iterator[Path], what: str) -> Path:
    """The only path of ``found``; BuildError, naming ``what``, when there is none."""
    for path in sorted(found):
        return path
    raise BuildError(f"the Debian packages hold no {what}: their layout has changed")


# --- the initial file system --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """One member of the initial file system; ``mode`` includes the file type."""

    name: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def initramfs(tree: Path) -> list[Entry]:
    """Everything the guest has: busybox, the guest agent with its libraries, modules and our scripts."""
    busybox = one((path for path in tree.glob("**/bin/busybox") if path.is_file()), "busybox")
    files = {
        "init": Path(HERE, "init").read_bytes(),
        "bin/busybox": busybox.read_bytes(),
        "etc/udhcpc.script": Path(HERE, "udhcpc.script").read_bytes(),
        "etc/acpi/PWRF/00000080": Path(HERE, "shutdown").read_bytes(),
        "sbin/shutdown": Path(HERE, "shutdown").read_bytes(),
        "etc/os-release": OS_RELEASE.encode(),
        "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n",
        "etc/group": b"root:x:0:\n",
        **guest_agent(tree),
        **kernel_modules(tree),
    }
    directories = {str(parent) for name in files for parent in Path(name).parents} - {"."} | {"dev", "root"}
    return [
        *(Entry(name, 0o040755) for name in sorted(directories)),
        # The kernel opens it for /init before /init can mount anything.
        Entry("dev/console", 0o020600, device=(5, 1)),
        Entry("bin/sh", 0o120777, b"busybox"),
        *(Entry(name, 0o100755, content) for name, content in sorted(files.items())),
    ]


def guest_agent(tree: Path) -> dict[str, bytes]:
    """qemu-ga and the libraries it needs, found by the loader of the unpacked C library, not the host's."""
    agent = one(tree.glob("usr/sbin/qemu-ga"), "qemu-ga")
    loader = one(tree.glob("**/ld-linux-x86-64.so.2"), "loader")
    folders = {str(path.parent) for path in tree.glob("**/*.so.*")}
    listing = run(str(loader), "--library-path", ":".join(sorted(folders)), "--list", str(agent))
    found = [Path(path) for path in re.findall(r"=> (\S+)", listing)]
    if strangers := [path.name for path in found if not path.is_relative_to(tree) and "ld-linux" not in path.name]:
        raise BuildError(f"the packages lack libraries of the guest agent: {', '.join(strangers)}")
    libraries = {f"usr/lib/{path.name}": path.read_bytes() for path in found if "ld-linux" not in path.name}
    return {"usr/sbin/qemu-ga": agent.read_bytes(), "lib64/ld-linux-x86-64.so.2": loader.read_bytes(), **libraries}


def kernel_modules(tree: Path) -> dict[str, bytes]:
    """The files of MODULES and of what they depend on, and ``load-order``: their names, dependencies first."""
    files = {module_name(path.name): path for path in tree.glob("**/lib/modules/*/kernel/**/*.ko*")}
    builtin = {
        module_name(Path(line).name)
        for path in tree.glob("**/lib/modules/*/modules.builtin")
        for line in path.read_text().splitlines()
    }
    order: dict[str, bytes] = {}

    def load(name: str) -> None:
        """Append ``name`` to the order after its dependencies; the kernel's build rules out cycles."""
        if name in order or name not in files:
            return
        content = module_content(files[name])
        depends = re.search(rb"\0depends=([^\0]*)\0", content)
        for dependency in depends.group(1).decode().split(",") if depends else ():
            load(module_name(dependency))
        order[name] = content

    for name in MODULES:
        load(module_name(name))
    if missing := REQUIRED_MODULES - order.keys() - builtin:
        raise BuildError(f"the kernel package lacks the modules {', '.join(sorted(missing))}")
    names = "".join(f"{name}.ko\n" for name in order)
    return {f"lib/modules/{name}.ko": content for name, content in order.items()} | {
        "lib/modules/load-order": names.encode()
    }


def module_name(file_name: str) -> str:
    """A module's name as the kernel knows it: without suffixes, with underscores."""
    return file_name.split(".ko", maxsplit=1)[0].replace("-", "_")


def module_content(path: Path) -> bytes:
    """The module's bytes; newer Debian releases compress them with xz."""
    if path.suffix == ".xz":
        return subprocess.run(["xz", "-dc", str(path)], capture_output=True, check=True).stdout
    return path.read_bytes()


def archive(entries: Sequence[Entry]) -> bytes:
    """``entries`` as a cpio archive in the format "newc", without times or owners.

    The format: https://docs.kernel.org/driver-api/early-userspace/buffer-format.html.
    """
    out = io.BytesIO()
    for number, entry in enumerate([*entries, Entry("TRAILER!!!", 0)], start=1):
        name = entry.name.encode() + b"\0"
        major, minor = entry.device
        numbers = (number, entry.mode, 0, 0, 1, 0, len(entry.content), 0, 0, major, minor, len(name), 0)
        for part in (b"070701" + b"".join(b"%08X" % value for value in numbers) + name, entry.content):
            out.write(part + bytes(-len(part) % 4))
    return out.getvalue()


def empty_disk(path: Path) -> bytes:
    """A small empty disk in qcow2: every virtual machine of the example writes to its own copy of it."""
    run("qemu-img", "create", "-q", "-f", "qcow2", str(path), DISK_SIZE)
    return path.read_bytes()


# --- the image ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Layout:
    """An OCI image layout: https://github.com/opencontainers/image-spec/blob/main/image-layout.md."""

    directory: Path

    def holds(self, name: str, inputs: str) -> bool:
        """Whether the image ``name`` is here, made from exactly ``inputs``, with all its parts."""
        for entry in self._index()["manifests"]:
            notes = entry.get("annotations", {})
            if notes.get(REF_NAME) == name and notes.get(MADE_FROM) == inputs:
                manifest = self._blob(entry["digest"])
                if not manifest.is_file():
                    return False
                parts = json.loads(manifest.read_bytes())
                return all(self._blob(part["digest"]).is_file() for part in [parts["config"], *parts["layers"]])
        return False

    def add(self, name: str, files: dict[str, bytes], inputs: str) -> None:
        """Add (or replace) the image ``name`` with one layer holding ``files``; readers see all or nothing."""
        self._blob("sha256:").mkdir(parents=True, exist_ok=True)
        self._replace(self.directory / "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        plain = layer(files)
        described = {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(plain).hexdigest()}"]},
        }
        media = "application/vnd.oci.image"
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{media}.manifest.v1+json",
            "config": self._store(f"{media}.config.v1+json", encode(described)),
            "layers": [self._store(f"{media}.layer.v1.tar+gzip", gzip.compress(plain, 1, mtime=0))],
        }
        entry = self._store(f"{media}.manifest.v1+json", encode(manifest))
        entry |= {
            "platform": {"architecture": "amd64", "os": "linux"},
            "annotations": {REF_NAME: name, MADE_FROM: inputs},
        }
        index = self._index()
        others = [old for old in index["manifests"] if old.get("annotations", {}).get(REF_NAME) != name]
        self._replace(self.directory / "index.json", encode(index | {"manifests": [*others, entry]}))

    def _index(self) -> dict[str, Any]:
        """The layout's index; an empty one when there is none yet."""
        path = self.directory / "index.json"
        if not path.exists():
            return {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
        return json.loads(path.read_bytes())

    def _blob(self, digest: str) -> Path:
        """Where the blob with ``digest`` is, or would be."""
        return Path(self.directory, "blobs", *digest.split(":"))

    def _store(self, media_type: str, content: bytes) -> dict[str, Any]:
        """Store a blob and return its descriptor."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self._replace(self._blob(digest), content)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    @staticmethod
    def _replace(path: Path, content: bytes) -> None:
        """Write ``path`` so that a reader sees the old or the new content, never a part."""
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        unfinished.write_bytes(content)
        unfinished.replace(path)


def encode(value: dict[str, Any]) -> bytes:
    """JSON, the same bytes for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def layer(files: dict[str, bytes]) -> bytes:
    """A tar of ``files`` and their directories, owned by KubeVirt's QEMU user (107), without times."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted({str(Path(name).parent) for name in files} | files.keys()):
            member = tarfile.TarInfo(name)
            member.uid = member.gid = 107
            if name in files:
                member.mode, member.size = 0o444, len(files[name])
            else:
                member.mode, member.type = 0o755, tarfile.DIRTYPE
            tar.addfile(member, io.BytesIO(files.get(name, b"")))
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
