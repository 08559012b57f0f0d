"""The gateway against a real libvirtd and real QEMU guests."""

import asyncio
import contextlib
import os
import re
import signal
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import libvirt
import pytest

from nodeagent.domain.identity import Identity
from nodeagent.hypervisor.errors import HypervisorError, HypervisorUnavailableError
from nodeagent.hypervisor.gateway import Hypervisor
from nodeagent.hypervisor.state import Reason, State
from tests.libvirt_host import libvirt_host

if TYPE_CHECKING:
    from tests.libvirt_host import LibvirtHost

SECONDS = 30
DOMAIN = """
<domain type='qemu'>
  <name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>32</memory>
  <metadata>
    <v:instance xmlns:v='https://virtplane.io/domain/v1' namespace='gateway' name='{short}' uid='u-{short}' node='n'/>
  </metadata>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
</domain>
"""


def domain(short: str) -> tuple[str, str]:
    """The name and the XML of a guest that has nothing to boot."""
    name = f"gateway_{short}"
    return name, DOMAIN.format(name=name, short=short, uuid=uuid.uuid4())


@contextlib.asynccontextmanager
async def opened(uri: str) -> AsyncIterator[Hypervisor]:
    async with Hypervisor.open(uri) as hypervisor:
        async with asyncio.timeout(SECONDS):
            await hypervisor.connected.wait()
        yield hypervisor


class Changes:
    """What the gateway told, and waiting for it to come true."""

    def __init__(self, hypervisor: Hypervisor) -> None:
        self._hypervisor = hypervisor
        self._told = asyncio.Event()
        hypervisor.add_handler(lambda _: self._told.set())

    async def until(self, name: str, holds: Callable[[State, Reason], bool]) -> None:
        """Look at the domain now, and after each change that is told."""
        async with asyncio.timeout(SECONDS):
            while True:
                self._told.clear()
                found = await self._hypervisor.find(name)
                if found is not None and holds(found.state, found.reason):
                    return
                await self._told.wait()


def qemu(host: "LibvirtHost", name: str) -> int:
    """The process of a guest, as libvirt noted it."""
    return int(next(host.directory.rglob(f"{name}.pid")).read_text())


async def test_a_guest_is_started_found_destroyed_and_removed(private_libvirt: "LibvirtHost") -> None:
    name, xml = domain("life")
    async with opened(private_libvirt.uri) as hypervisor:
        assert await hypervisor.find(name) is None
        await hypervisor.start(xml)
        found = await hypervisor.find(name)
        assert found is not None
        assert found.identity == Identity("gateway", "life", "u-life", "n")
        assert found.state == State.RUNNING
        assert found in await hypervisor.owned()
        await hypervisor.destroy(name)
        await hypervisor.destroy(name)
        ended = await hypervisor.find(name)
        assert ended is not None
        assert (ended.state, ended.reason) == (State.STOPPED, Reason.DESTROYED)
        await hypervisor.shut_down(name)
        await hypervisor.remove(name)
        await hypervisor.remove(name)
        assert await hypervisor.find(name) is None


async def test_a_guest_can_start_paused(private_libvirt: "LibvirtHost") -> None:
    name, xml = domain("paused")
    async with opened(private_libvirt.uri) as hypervisor:
        await hypervisor.start(xml, paused=True)
        found = await hypervisor.find(name)
        await hypervisor.remove(name)
    assert found is not None
    assert (found.state, found.reason) == (State.PAUSED, Reason.PAUSED_BY_USER)


async def test_a_killed_guest_is_told_and_has_crashed(private_libvirt: "LibvirtHost") -> None:
    name, xml = domain("killed")
    async with opened(private_libvirt.uri) as hypervisor:
        changes = Changes(hypervisor)
        await hypervisor.start(xml)
        os.kill(qemu(private_libvirt, name), signal.SIGKILL)
        await changes.until(name, lambda state, reason: (state, reason) == (State.STOPPED, Reason.CRASHED))
        await hypervisor.remove(name)


async def test_a_guest_that_does_not_start_leaves_no_definition(private_libvirt: "LibvirtHost") -> None:
    name, xml = domain("broken")
    broken = xml.replace("</os>", "<kernel>/nowhere/vmlinuz</kernel></os>")
    async with opened(private_libvirt.uri) as hypervisor:
        with pytest.raises(HypervisorError, match=re.escape("/nowhere/vmlinuz")):
            await hypervisor.start(broken)
        assert await hypervisor.find(name) is None


async def test_a_domain_of_somebody_else_is_not_ours(private_libvirt: "LibvirtHost") -> None:
    name, xml = domain("foreign")
    foreign = re.sub("<metadata>.*</metadata>", "", xml, flags=re.DOTALL)
    async with opened(private_libvirt.uri) as hypervisor:
        await hypervisor.start(foreign)
        found = await hypervisor.find(name)
        owned = await hypervisor.owned()
        await hypervisor.remove(name)
    assert found is not None
    assert found.identity is None
    assert name not in {each.name for each in owned}


async def test_the_connection_comes_back_and_finds_the_guest_that_ran_on(tmp_path: Path) -> None:
    name, xml = domain("survivor")
    # A libvirtd that dies must not be the one that other tests share.
    host_context = libvirt_host(tmp_path / "libvirt")
    host = await asyncio.to_thread(host_context.__enter__)
    try:
        async with opened(host.uri) as hypervisor:
            await hypervisor.start(xml)
            everything = asyncio.Event()
            hypervisor.add_handler(lambda changed: everything.set() if changed is None else None)
            await asyncio.to_thread(host.end, signal.SIGKILL)
            with pytest.raises(HypervisorUnavailableError):
                await hypervisor.find(name)
            await asyncio.to_thread(host.start)
            async with asyncio.timeout(SECONDS):
                await everything.wait()
            found = await hypervisor.find(name)
            assert found is not None
            assert found.state == State.RUNNING
    finally:
        await asyncio.to_thread(host_context.__exit__, None, None, None)


async def test_a_closed_gateway_leaves_no_connection_open(private_libvirt: "LibvirtHost") -> None:
    def open_sockets() -> set[str]:
        links = (str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink())
        return {link for link in links if link.startswith("socket:")}

    async with opened(private_libvirt.uri):
        pass  # libvirt's own loop opens what it keeps
    before = open_sockets()
    for _ in range(3):
        async with opened(private_libvirt.uri):
            pass
    assert open_sockets() <= before


async def test_an_event_loop_that_fails_is_told_to_who_depends_on_it(
    private_libvirt: "LibvirtHost", monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise libvirt.libvirtError("no more events")

    monkeypatch.setattr(libvirt, "virEventRunDefaultImpl", fail)
    async with Hypervisor.open(private_libvirt.uri) as hypervisor, asyncio.timeout(SECONDS):
        with pytest.raises(HypervisorError, match="no more events"):
            await hypervisor.failed()


async def test_a_connection_that_nobody_keeps_is_told_to_who_depends_on_it(private_libvirt: "LibvirtHost") -> None:
    def fail(_name: str | None) -> None:
        raise RuntimeError("too much to do")

    async with Hypervisor.open(private_libvirt.uri) as hypervisor, asyncio.timeout(SECONDS):
        hypervisor.add_handler(fail)
        with pytest.raises(HypervisorError, match="too much to do"):
            await hypervisor.failed()


async def test_libvirts_test_driver_takes_a_guest_through_its_life() -> None:
    """It can do less than QEMU's, and is asked for no more."""
    name, xml = domain("pretended")
    async with opened("test:///default") as hypervisor:
        changes = Changes(hypervisor)
        await hypervisor.start(xml.replace("type='qemu'", f"type='{hypervisor.driver.emulation}'"))
        assert [each.name for each in await hypervisor.owned()] == [name]
        await hypervisor.shut_down(name)
        await changes.until(name, lambda state, reason: (state, reason) == (State.STOPPED, Reason.SHUT_DOWN))
        await hypervisor.remove(name)
        assert await hypervisor.find(name) is None
