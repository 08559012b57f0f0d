"""Which libvirt runs the guests: the one asked for, the host's, or a private one that we start."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from nodeagent.hypervisor.kvm import kvm_works
from virtplane.home import Home
from virtplane.libvirtd import LibvirtMissingError, PrivateLibvirtd, host_libvirt, require_packages
from virtplane.settings import Settings
from virtplane.supervision.child import Program

START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Libvirt:
    """The libvirt in use."""

    uri: str
    program: Program | None
    """What must run for it; None when it is not ours."""


async def choose(settings: Settings, home: Home, make: Callable[..., Program], say: Callable[[str], None]) -> Libvirt:
    """Return the libvirt to use, telling what is found out on the way. Raises LibvirtMissingError and OSError.

    ``make(name=..., command=..., **rest)`` makes the program of a private libvirtd.
    """
    kvm = await _use_kvm(settings, home, say)
    if settings.libvirt_uri:
        say(f"libvirt: {settings.libvirt_uri}, as configured")
        return Libvirt(settings.libvirt_uri, None)
    if (uri := await host_libvirt()) is not None:
        say(f"libvirt: the host's, {uri}")
        return Libvirt(uri, None)
    require_packages()
    private = PrivateLibvirtd(home.libvirt, kvm=kvm)
    await asyncio.to_thread(private.prepare)
    say("libvirt: none answers on this host, so a private one is started")
    program = make(
        name="libvirtd",
        command=private.command(),
        before_stop=private.release,
        is_ready=lambda: private.wait_ready(START_SECONDS),
        start_seconds=START_SECONDS,
    )
    return Libvirt(private.uri, program)


async def existing_libvirt() -> str:
    """Return the URI of the host's libvirt. Raises LibvirtMissingError when none answers."""
    uri = await host_libvirt()
    if uri is None:
        raise LibvirtMissingError(
            "no libvirtd answers on this host: start it, name another with --libvirt-uri, "
            "or use `virtplane up`, which starts a private one"
        )
    return uri


async def _use_kvm(settings: Settings, home: Home, say: Callable[[str], None]) -> bool:
    if settings.emulation != "auto":
        say(f"processors: {'emulated' if settings.emulation == 'on' else 'KVM'}, as configured")
        return settings.emulation == "off"
    verdict = await kvm_works(home.kvm_verdict)
    say("processors: KVM" if verdict.works else f"processors: emulated, which is slow, because {verdict.why}")
    return verdict.works
