"""The real thing, once for all end-to-end tests: `virtplane up` in a directory of its own, driven with kubectl."""

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
import yaml

from certs.bootstrap import Pki
from certs.purposes import ADMIN

ROOT = Path(__file__).resolve().parents[2]
VIRTPLANE = Path(sys.executable).with_name("virtplane")
T = TypeVar("T")


@dataclass(frozen=True)
class Installation:
    """A Virtplane of its own: its directory, and what one does with it."""

    home: Path
    host_disks: Path

    @property
    def environment(self) -> dict[str, str]:
        own = {"VIRTPLANE_HOME": str(self.home), "VIRTPLANE_HOST_DISK_DIRECTORIES": str(self.host_disks)}
        return {**os.environ, **own, "KUBECONFIG": str(self.home / "kubeconfig")}

    def virtplane(self, *arguments: str, seconds: float = 120) -> str:
        return self.run(str(VIRTPLANE), *arguments, seconds=seconds)

    def kubectl(self, *arguments: str, given: str = "", fails: bool = False) -> str:
        return self.run("kubectl", *arguments, given=given, fails=fails)

    def apply(self, manifest: dict[str, Any], *, fails: bool = False) -> str:
        return self.kubectl("apply", "-f", "-", given=yaml.safe_dump(manifest), fails=fails)

    def run(self, *command: str, seconds: float = 60, given: str = "", fails: bool = False) -> str:
        done = subprocess.run(
            command,
            env=self.environment,
            cwd=ROOT,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert bool(done.returncode) is fails, f"{' '.join(command)}\n{done.stdout}"
        return done.stdout

    def field(self, kind: str, name: str, path: str) -> str:
        """One field of an object; empty while it or the object is missing."""
        return self.kubectl("get", kind, name, "--ignore-not-found", "-o", f"jsonpath={{{path}}}")

    def phase(self, name: str) -> str:
        return self.field("vmi", name, ".status.phase")

    def status(self) -> dict[str, list[str]]:
        """What `virtplane status` tells, by the first word of each line; it fails while anything is not ready."""
        done = subprocess.run(
            [VIRTPLANE, "status"], env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        return {words[0]: words[1:] for line in done.stdout.splitlines() if (words := line.split())}

    def process(self, name: str) -> int | None:
        """The process id of one of our processes, or None while it does not run."""
        told = self.status().get(name, [])
        return int(told[0]) if told and told[0].isdecimal() else None

    def guest(self, name: str) -> int | None:
        """The QEMU process of the instance called ``name`` in the namespace default."""
        for words, pid in processes():
            if any(word.startswith(f"guest=default_{name},".encode()) for word in words) and self._owns(words):
                return pid
        return None

    def _owns(self, words: list[bytes]) -> bool:
        return str(self.home).encode() in b" ".join(words)

    def serial_log(self, name: str) -> str:
        """What the serial console of an instance has said; empty while there is none."""
        uid = self.field("vmi", name, ".metadata.uid")
        path = self.home / "agent" / "guests" / uid / "run" / "serial.log"
        return path.read_text(errors="replace") if uid and path.exists() else ""

    @contextlib.asynccontextmanager
    async def console(self, name: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """The serial console of an instance, through the API."""
        url = yaml.safe_load((self.home / "kubeconfig").read_text())["clusters"][0]["cluster"]["server"]
        path = f"/apis/subresources.kubevirt.io/v1/namespaces/default/virtualmachineinstances/{name}/console"
        pki = Pki(self.home / "pki")
        context = ssl.create_default_context(cafile=pki.authority)
        context.load_cert_chain(pki.pair(ADMIN.file))
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url + path, ssl=context, protocols=("plain.kubevirt.io",)) as socket,
        ):
            yield socket

    def events(self, name: str) -> str:
        """The reasons and messages of all Events about objects of this name."""
        select = f"involvedObject.name={name}"
        return self.kubectl("get", "events", "--field-selector", select)


def processes() -> Iterator[tuple[list[bytes], int]]:
    """Arguments and pid of every live process."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it has ended
            continue
        if words[0]:
            yield words, int(folder.name)


def look_until(look: Callable[[], T], seconds: float, what: str) -> T:
    """Look until something true is seen, and return it."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)
    return seen


def example_machine(name: str, **spec: Any) -> dict[str, Any]:
    """The example machine under another name, with other fields of its spec."""
    manifest = yaml.safe_load((ROOT / "examples" / "vm-busybox.yaml").read_text())
    manifest["metadata"]["name"] = name
    manifest["spec"] |= spec
    # The button that asks it to shut down is only heard once it has booted: do not wait for that.
    manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 0
    return manifest


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], T], float, str], T]:
    return look_until


@pytest.fixture(scope="session")
def machine() -> Callable[..., dict[str, Any]]:
    return example_machine


@pytest.fixture(scope="session")
def images() -> Path:
    """The example guest's image, built at most once per machine."""
    cache = Path(os.environ.get("VIRTPLANE_TEST_IMAGES", Path.home() / ".cache/virtplane/images"))
    subprocess.run([sys.executable, ROOT / "examples/guest/build.py", "--output", cache], check=True, timeout=300)
    return cache


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A directory of our own, not pytest's: each start of pytest closes its own to QEMU's user again."""
    with tempfile.TemporaryDirectory(prefix="virtplane-e2e-") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def installation(images: Path, scratch: Path) -> Iterator[Installation]:
    home, host_disks = scratch / "home", scratch / "host-disks"
    home.mkdir()
    host_disks.mkdir()
    shutil.copytree(images, home / "images" / "layout")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    virtplane = Installation(home, host_disks)
    try:
        virtplane.virtplane("up", "--port", str(port), seconds=180)
        yield virtplane
        virtplane.kubectl("delete", "vm,vmi", "--all", "--timeout=60s")
    finally:
        virtplane.virtplane("down")
        for words, pid in processes():
            if b"qemu-system" in words[0] and str(home).encode() in b" ".join(words):
                os.kill(pid, signal.SIGKILL)
