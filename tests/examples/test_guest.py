"""The example guest is built from Debian packages and boots to userspace."""

import subprocess
import sys
from pathlib import Path

import pytest

from nodeagent.volumes.images import ImageStore
from nodeagent.volumes.unpack import Wanted

BUILDER = Path(__file__).parents[2] / "examples/guest/build.py"
IMAGE = "virtplane/busybox:latest"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("images")
    subprocess.run([sys.executable, BUILDER, "--output", directory / "layout"], check=True, timeout=300)
    return directory


def test_a_second_build_does_nothing(store: Path) -> None:
    before = (store / "layout/index.json").stat().st_mtime_ns
    command = [sys.executable, BUILDER, "--output", store / "layout"]
    done = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True)
    assert "is up to date" in done.stdout
    assert (store / "layout/index.json").stat().st_mtime_ns == before


async def test_the_guest_boots_to_userspace(store: Path) -> None:
    tree = await ImageStore(store, []).fetch(IMAGE, Wanted.files(["/boot/vmlinuz", "/boot/initramfs.gz"]), "Never")
    command = [
        "qemu-system-x86_64",
        "-accel",
        "tcg",
        "-m",
        "128",
        "-nodefaults",
        "-display",
        "none",
        "-serial",
        "stdio",
    ]
    boot = ["-kernel", tree / "boot/vmlinuz", "-initrd", tree / "boot/initramfs.gz", "-append", "console=ttyS0"]
    with subprocess.Popen([*command, *boot], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as qemu:
        assert qemu.stdout is not None
        try:
            assert any(b"virtplane guest: userspace is up" in line for line in qemu.stdout)
        finally:
            qemu.kill()
