"""Real guests, many at once on one node: Virtplane's way from creation to Running, and virsh doing the same."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

import libvirt
from dataset import AT_ONCE, fill, stored_name
from observing import observing
from processes import Installation, installation
from scenario import LONGEST_SECONDS, machine
from start_latency import on_its_own
from target import MACHINES

from virtplane.libvirtd import PrivateLibvirtd

READY_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Started:
    """How long guests took to run that were all asked for at once."""

    way: str
    seconds: list[float]

    @property
    def p50(self) -> float:
        """The median."""
        return quantiles(self.seconds, n=20)[9]

    @property
    def p95(self) -> float:
        """What 95 of 100 stay below."""
        return quantiles(self.seconds, n=20)[18]


async def compare(directory: Path, guests: int, tell: Callable[[str], None]) -> list[Started]:
    """Start so many guests through the API, and the same domains by virsh."""
    async with _libvirtd(directory / "libvirt") as uri:
        with installation(directory, {"node": {"libvirt_uri": uri, "network": "user"}}) as running:
            tell("one guest, so that libvirt has looked at QEMU")
            await _through_the_api(running, 1, uri)
            tell(f"{guests} guests through the API")
            ours, domains = await _through_the_api(running, guests, uri)
            tell(f"the same {guests} by virsh")
            theirs = await asyncio.to_thread(_by_virsh, directory / "virsh", uri, domains)
    return [
        Started(way="VirtualMachine created to Running", seconds=ours),
        Started(way=f"virsh define and start, {AT_ONCE} at once", seconds=theirs),
    ]


def _guest(name: str) -> dict[str, Any]:
    """Return a machine whose guest has nothing to boot, no network, and goes without being asked."""
    made = machine(name)
    spec = made["spec"]["template"]["spec"]
    spec["terminationGracePeriodSeconds"], spec["networks"] = 0, []
    spec["domain"]["devices"] = {"autoattachPodInterface": False}
    return made


@contextlib.asynccontextmanager
async def _libvirtd(directory: Path) -> AsyncGenerator[str]:
    """Run a libvirtd that knows of no KVM; its guests are gone at the end."""
    private = PrivateLibvirtd(directory, kvm=False)
    private.prepare()
    with (directory / "libvirtd.log").open("wb") as log:
        process = subprocess.Popen(private.command(), stdout=log, stderr=log)  # noqa: ASYNC220 - returns at once
    try:
        await private.wait_ready(READY_SECONDS)
        yield private.uri
        with _connected(private.uri) as connection:
            for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
                domain.destroy()
    finally:
        process.terminate()
        process.wait(READY_SECONDS)


@contextlib.contextmanager
def _connected(uri: str) -> Iterator[libvirt.virConnect]:
    connection = libvirt.open(uri)
    try:
        yield connection
    finally:
        connection.close()


async def _through_the_api(running: Installation, guests: int, uri: str) -> tuple[list[float], list[str]]:
    """Return the seconds that each took and the domains that they became, which are gone again."""
    async with observing(running.target) as observer:
        await fill(running.target, 0, guests, _guest)
        await observer.until_all_run(guests, LONGEST_SECONDS)
        seconds = [observer.running[name] - asked for name, asked in observer.asked.items()]
        domains = await asyncio.to_thread(_domains, uri)
        for number in range(guests):
            await asyncio.to_thread(running.target.request, "DELETE", f"{MACHINES}/{stored_name(number)}")
        async with asyncio.timeout(LONGEST_SECONDS):
            while (await asyncio.to_thread(running.target.request, "GET", MACHINES))["items"]:  # noqa: ASYNC110 - by its API
                await asyncio.sleep(0.1)
    return seconds, domains


def _domains(uri: str) -> list[str]:
    with _connected(uri) as connection:
        return [each.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) for each in connection.listAllDomains()]


def _by_virsh(directory: Path, uri: str, domains: list[str]) -> list[float]:
    """Return the seconds from the first command until each guest ran; as many run at once as the API is asked."""
    commands: list[list[str]] = []
    for number, xml in enumerate(domains):
        own = directory / str(number)
        own.mkdir(parents=True)
        own.chmod(0o777)  # QEMU runs as another user
        name = f"virsh-{number}"
        (own / "domain.xml").write_text(on_its_own(xml, own, name))
        commands.append(["virsh", "--quiet", "--connect", uri, f"define {own}/domain.xml; start {name}"])
    began = time.monotonic()

    def run(command: list[str]) -> float:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=LONGEST_SECONDS)
        return time.monotonic() - began

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(run, commands))
