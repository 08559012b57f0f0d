#!/usr/bin/env python3
"""How much Virtplane adds to libvirt's own start: `kubectl create` against `virsh create` of the same XML.

Both are measured from before the command starts until libvirt reports the domain as started. It measures the
installation that runs in VIRTPLANE_HOME, with the libvirt that this one uses. It ends with 1 if the median start takes
longer than 1.3 times libvirt's plus 100 ms.
"""

import argparse
import os
import queue
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import libvirt

from virtplane.home import Home
from virtplane.settings import Settings
from virtplane.state import running

MANIFEST = Path(__file__).resolve().parents[1] / "examples" / "vm-busybox.yaml"
HOME = Home.of(Settings.load({}, os.environ))
FACTOR, EXTRA_SECONDS = 1.3, 0.1
TIMEOUT_SECONDS = 120
OWN = "virtplane-bench"


class Lifecycle:
    """libvirt's lifecycle events, each with the moment it arrived."""

    def __init__(self, uri: str) -> None:
        libvirt.virEventRegisterDefaultImpl()
        self._seen: queue.Queue[tuple[str, int, float]] = queue.Queue(maxsize=10_000)
        threading.Thread(target=self._run, daemon=True).start()
        self.connection = libvirt.open(uri)
        self.connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._note, None)

    @staticmethod
    def _run() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    def _note(self, _connection: Any, domain: Any, event: int, _detail: int, _opaque: Any) -> None:
        self._seen.put_nowait((domain.name(), event, time.monotonic()))

    def wait(self, name: str, event: int) -> float:
        """Return when the domain whose name ends with ``name`` had ``event``; raise queue.Empty after two minutes."""
        while True:
            domain, seen, moment = self._seen.get(timeout=TIMEOUT_SECONDS)
            if domain.endswith(name) and seen == event:
                return moment


def run(*command: str, text: str | None = None) -> None:
    """Run a command to its end, giving it ``text``."""
    environment = {**os.environ, "KUBECONFIG": str(HOME.kubeconfig)}
    subprocess.run(
        command, input=text, text=True, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=TIMEOUT_SECONDS
    )


def on_its_own(xml: str, folder: Path, name: str = OWN) -> str:
    """Return the same domain under another ``name``, with its own copies of what it writes, in ``folder``."""
    domain = ET.fromstring(xml)  # noqa: S314 - libvirt wrote it
    for tag in ("metadata", "uuid"):
        for element in domain.findall(tag):
            domain.remove(element)
    domain.find("name").text = name  # pyright: ignore[reportOptionalMemberAccess] - every domain has a name
    for interface in domain.iterfind("devices/interface"):
        for mac in interface.findall("mac"):
            interface.remove(mac)
    give_files(domain, folder)
    return ET.tostring(domain, encoding="unicode")


def give_files(domain: ET.Element, folder: Path) -> None:
    """Point everything that ``domain`` writes to into ``folder``, with copies of its writable disks."""
    for number, disk in enumerate(domain.iterfind("devices/disk")):
        source = disk.find("source")
        if source is not None and "file" in source.attrib and disk.find("readonly") is None:
            source.set("file", str(shutil.copy(source.attrib["file"], folder / f"disk{number}")))
    for element in ("channel", "console", "serial"):
        for number, source in enumerate(domain.iterfind(f"devices/{element}/source[@path]")):
            source.set("path", str(folder / f"{element}{number}"))
    for number, log in enumerate(domain.iterfind("devices/*/log")):
        log.set("file", str(folder / f"log{number}"))
    for graphics in domain.iterfind("devices/graphics"):
        for socket in (graphics, *graphics.iterfind("listen[@socket]")):
            if "socket" in socket.attrib:
                socket.set("socket", str(folder / "vnc.sock"))


def sample(lifecycle: Lifecycle, uri: str, number: int, folder: Path) -> tuple[float, float]:
    """Start one machine both ways, one after the other; return the seconds of kubectl's way and of virsh's."""
    name = f"bench-{number}"
    began = time.monotonic()
    run("kubectl", "create", "-f", "-", text=MANIFEST.read_text().replace("name: busybox", f"name: {name}"))
    ours = lifecycle.wait(name, libvirt.VIR_DOMAIN_EVENT_STARTED) - began
    domain = next(domain for domain in lifecycle.connection.listAllDomains() if domain.name().endswith(name))
    xml = on_its_own(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), folder)
    run("kubectl", "delete", "vm", name)
    lifecycle.wait(name, libvirt.VIR_DOMAIN_EVENT_STOPPED)

    (folder / "domain.xml").write_text(xml)
    began = time.monotonic()
    run("virsh", "--connect", uri, "create", str(folder / "domain.xml"))
    theirs = lifecycle.wait(OWN, libvirt.VIR_DOMAIN_EVENT_STARTED) - began
    lifecycle.connection.lookupByName(OWN).destroy()
    lifecycle.wait(OWN, libvirt.VIR_DOMAIN_EVENT_STOPPED)
    return ours, theirs


def main() -> int:
    """Measure and print a table; return 1 when the bound is broken."""
    parser = argparse.ArgumentParser(description="Start latency: kubectl create against virsh create.")
    parser.add_argument("--samples", type=int, default=20)
    options = parser.parse_args()
    state = running(HOME)
    if state is None:
        print(f"nothing runs in {HOME.directory}: start it with `make up`", file=sys.stderr)
        return 1
    uri = state.libvirt_uri
    lifecycle = Lifecycle(uri)
    pairs: list[tuple[float, float]] = []
    for number in range(options.samples):
        with tempfile.TemporaryDirectory(prefix="virtplane-bench-", ignore_cleanup_errors=True) as scratch:
            Path(scratch).chmod(0o777)  # QEMU runs as another user
            pairs.append(sample(lifecycle, uri, number, Path(scratch)))
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    bound = FACTOR * theirs + EXTRA_SECONDS
    print(f"{'start to libvirt started event':34} median of {len(pairs)}")
    print(f"{'kubectl create':34} {ours * 1000:8.0f} ms")
    print(f"{'virsh create, same XML':34} {theirs * 1000:8.0f} ms")
    print(f"{'bound (1.3 x virsh + 100 ms)':34} {bound * 1000:8.0f} ms  {'kept' if ours <= bound else 'BROKEN'}")
    return 0 if ours <= bound else 1


if __name__ == "__main__":
    sys.exit(main())
