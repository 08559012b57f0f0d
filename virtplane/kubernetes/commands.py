"""``virtplane install`` and ``uninstall`` as they are called: one client, lines on standard output, an exit code."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from client.api import Client
from kube.durations import DurationError, parse
from virtplane.administrator import administrator
from virtplane.kubernetes.install import Wanted, install, report
from virtplane.kubernetes.preconditions import InstallError
from virtplane.kubernetes.uninstall import uninstall
from virtplane.settings import Settings
from virtplane.status import STOPPED, UNWELL


def run_install(settings: Settings, *, overlay: str | None, image: str, timeout: str) -> int:
    """Install or upgrade; return 0. Raises VirtplaneError."""
    wanted = Wanted(
        overlay=overlay,
        image=image,
        database_url=settings.database_url,
        data_volumes=settings.data_volumes == "on",
        seconds=_seconds(timeout),
    )

    async def run() -> None:
        async with _cluster(settings) as client:
            await install(client, wanted, _say)

    asyncio.run(run())
    _say("Virtplane is ready. Next: kubectl apply -f examples/vm-busybox.yaml")
    return 0


def run_report(settings: Settings) -> int:
    """Print how an installation is; return 0 when all of it is ready, 1 when not, 3 when there is none."""

    async def run() -> bool | None:
        async with _cluster(settings) as client:
            return await report(client, _say)

    ready = asyncio.run(run())
    if ready is None:
        _say("Virtplane is not installed in this cluster")
        return STOPPED
    return 0 if ready else UNWELL


def run_uninstall(settings: Settings, *, remove_machines: bool, timeout: str) -> int:
    """Remove everything; return 0. Raises VirtplaneError."""
    seconds = _seconds(timeout)

    async def run() -> None:
        async with _cluster(settings) as client:
            await uninstall(client, remove_machines=remove_machines, seconds=seconds, tell=_say)

    asyncio.run(run())
    _say("Virtplane is gone")
    return 0


@asynccontextmanager
async def _cluster(settings: Settings) -> AsyncGenerator[Client]:
    if not settings.in_kubernetes:
        raise InstallError("say which cluster: --kubeconfig PATH")
    async with administrator(settings) as client:
        yield client


def _seconds(timeout: str) -> float:
    try:
        return parse(timeout).total_seconds()
    except DurationError as error:
        raise InstallError(f"--timeout {error}") from error


def _say(text: str) -> None:
    print(text, flush=True)
