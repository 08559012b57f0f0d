"""The processes of an installation, each by its role: the server, the controllers, the agent."""

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import structlog
import uvloop

from client.errors import KubeconfigError
from virtplane import logs
from virtplane.errors import VirtplaneError
from virtplane.home import Home
from virtplane.settings import Settings
from virtplane.state import alone
from virtplane.supervision import readiness

log = structlog.get_logger(__name__)

COLLECT_AFTER = (10_000, 20, 100)
"""How many more objects there must be for the youngest to be looked at, and how many such looks for the next older."""

Role = Callable[[Settings, asyncio.Event, asyncio.Event], Awaitable[None]]
"""Runs until the first event is set, and sets the second once it is ready."""


class RoleError(VirtplaneError):
    """A process cannot run as things are; the message says what to do."""


async def run_server(settings: Settings, stop: asyncio.Event, ready: asyncio.Event) -> None:
    """Run the API server, after preparing all it needs."""
    from virtplane.server import serve  # noqa: PLC0415 - a process loads its own role's code only

    await serve(settings, stop, ready)


async def run_controllers(settings: Settings, stop: asyncio.Event, ready: asyncio.Event) -> None:
    """Run the controllers against the installation's own server, or the Kubernetes cluster that it is a part of."""
    from controllers.manager import Options, run  # noqa: PLC0415
    from kube.installation import NAMESPACE  # noqa: PLC0415

    options = Options(
        kubeconfig=_kubeconfig(settings, "controllers"),
        # On SQLite there is one such process: waiting for the lease of one that was killed would only cost time.
        leader_elect=settings.in_kubernetes or settings.shares_database,
        namespace=NAMESPACE,
        core_controllers=not settings.in_kubernetes,
    )
    await run(options, stop, ready)


async def run_agent(settings: Settings, stop: asyncio.Event, ready: asyncio.Event) -> None:
    """Run the agent of this host's node against the installation's own server, or the cluster that it is a part of."""
    from certs.bootstrap import Pki  # noqa: PLC0415
    from certs.purposes import AGENT_SERVER, STREAMS  # noqa: PLC0415
    from nodeagent.agent import Options, run  # noqa: PLC0415
    from nodeagent.streams import server as streams  # noqa: PLC0415
    from virtplane.enrolment import enrolled_node  # noqa: PLC0415
    from virtplane.hypervisor import existing_libvirt  # noqa: PLC0415

    home = Home.of(settings)
    pki = Pki(home.pki)
    enrolled = None if settings.in_kubernetes else enrolled_node(home)
    options = Options(
        kubeconfig=_kubeconfig(settings, "agent"),
        node_name=enrolled or settings.node_name,
        pki=home.pki if enrolled or settings.in_kubernetes else None,
        kubelet=settings.in_kubernetes,
        libvirt_uri=settings.libvirt_uri or await existing_libvirt(),
        directory=home.agent,
        images=home.images,
        emulation=settings.emulation,
        host_disk_directories=tuple(map(Path, settings.host_disk_directories)),
        image_directories=tuple(map(Path, settings.image_directories)),
        insecure_registries=settings.image_registries_insecure,
        network=settings.network,
        address=settings.agent_address,
        streams=streams.Options(
            port=settings.agent_port, certificate=pki.pair(AGENT_SERVER.file), client_ca=pki.bundle(STREAMS)
        ),
    )
    await run(options, stop, ready)


ROLES: Mapping[str, Role] = {"server": run_server, "controllers": run_controllers, "agent": run_agent}


def run_role(name: str, settings: Settings) -> int:
    """Be the process of this role until a signal ends it; return the exit code."""
    gc.disable()
    logs.configure(name, level=settings.log_level, style=settings.log_format)
    home = Home.of(settings)
    try:
        home.make()
        # Two servers on one SQLite database would not see each other's writes, two agents fight over one libvirt.
        with alone(home.lock_of(name), f"another `virtplane {name}` runs in {home.directory}"):
            uvloop.run(_until_signalled(ROLES[name], settings))
    except (VirtplaneError, KubeconfigError, OSError) as error:
        log.error("cannot go on", why=str(error))  # noqa: TRY400 - the message says it all
        return 1
    except Exception:
        log.exception("cannot go on")
        return 1
    return 0


async def _until_signalled(role: Role, settings: Settings) -> None:
    stop, ready = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    telling = asyncio.create_task(_tell(ready, stop))
    try:
        await role(settings, stop, ready)
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _tell(ready: asyncio.Event, stop: asyncio.Event) -> None:
    await ready.wait()
    _begin_collecting()
    try:
        readiness.announce(os.environ)
    except BrokenPipeError:
        log.warning("the supervisor is gone")
        stop.set()


def _begin_collecting() -> None:
    """Collect garbage from now on, but never look at what is there already, for it lives as long as the process.

    To look through all of it stops everything for a third of a second, and through what comes to be later for as long
    once that is as much: so all that is looked at seldom. API objects have no cycles, and need no collector.
    """
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    gc.enable()


def _kubeconfig(settings: Settings, role: str) -> Path | None:
    if settings.in_kubernetes:
        return settings.cluster
    kubeconfig = Home.of(settings).kubeconfig_of(role)
    if not kubeconfig.exists():
        raise RoleError(f"{kubeconfig} is not there: start `virtplane up` or `virtplane server` first, which make it")
    return kubeconfig
