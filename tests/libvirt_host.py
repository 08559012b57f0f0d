"""A host with a libvirtd of its own, for tests that need a real one. The fixture `private_libvirt` shares one."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from virtplane.libvirtd import PrivateLibvirtd

READY_SECONDS = 30


@dataclass
class LibvirtHost:
    """A private libvirtd and its process; guests are always emulated."""

    libvirtd: PrivateLibvirtd
    wrapper: Sequence[str] = ()
    """What runs each command, setpriv for example."""
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def uri(self) -> str:
        return self.libvirtd.uri

    @property
    def directory(self) -> Path:
        return self.libvirtd.directory

    def start(self) -> None:
        self.spawn()
        asyncio.run(self.libvirtd.wait_ready(READY_SECONDS))

    def spawn(self) -> None:
        """Start libvirtd without waiting. It ends with the thread that starts it, so that is to be the main one."""
        self.libvirtd.prepare()
        # Also when the tests are killed.
        bound = ["setpriv", "--pdeathsig", "TERM", "--", *self.wrapper, *self.libvirtd.command()]
        with (self.directory / "libvirtd.log").open("ab") as log:
            self.process = subprocess.Popen(bound, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send libvirtd a signal and return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(READY_SECONDS)

    def virsh(self, *arguments: str) -> str:
        command = [*self.wrapper, "virsh", "--quiet", "--connect", self.uri, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"virsh {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()

    def clean(self) -> None:
        """End libvirtd with all its guests and networks, whatever state they are in."""
        if self.process is None:
            return
        if self.process.poll() is None:
            # While it runs it takes away what the networks made: bridges and firewall rules.
            for kind in ("", "net-"):
                for name in self.virsh(f"{kind}list", "--name").split():
                    self.virsh(f"{kind}destroy", name)
            self.end()
        for pid in self._left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _left(self) -> Iterator[int]:
        """QEMU and dnsmasq processes that name our directory's pid files, and still are what those say."""
        for file in self.directory.rglob("*.pid"):
            pid = file.read_text().strip()
            with contextlib.suppress(FileNotFoundError):
                if any(name in Path("/proc", pid, "cmdline").read_bytes() for name in (b"qemu", b"dnsmasq")):
                    yield int(pid)


@contextlib.contextmanager
def libvirt_host(directory: Path) -> Iterator[LibvirtHost]:
    """A running libvirtd in a directory of its own, cleaned away at the end."""
    runtime = None if os.geteuid() == 0 else Path(tempfile.mkdtemp(prefix="vp"))
    libvirtd = PrivateLibvirtd(directory, kvm=False, runtime=runtime or Path("/run"))
    host = LibvirtHost(libvirtd)
    try:
        host.start()
        yield host
    finally:
        host.clean()
        if runtime is not None:
            shutil.rmtree(runtime)


@pytest.fixture(scope="session")
def private_libvirt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LibvirtHost]:
    """One libvirtd for all tests that start guests. Use names of your own, and leave nothing running."""
    with libvirt_host(tmp_path_factory.mktemp("libvirt") / "private") as host:
        yield host
