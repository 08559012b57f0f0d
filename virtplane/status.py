"""``virtplane status``: what runs, and whether it is well."""

import asyncio
from dataclasses import dataclass

from virtplane.home import Home
from virtplane.observe import observing
from virtplane.settings import Settings
from virtplane.state import State, running

STOPPED = 3
"""The exit code of a status command for what does not run; source: the Linux Standard Base, init scripts."""
UNWELL = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """What the server says."""

    server: bool
    node: bool | None
    guests: int | None


def status(settings: Settings) -> int:
    """Print what runs; return 0 when all is well, 1 when something is not, 3 when nothing runs."""
    home = Home.of(settings)
    state = running(home)
    if state is None:
        print(f"Virtplane does not run in {home.directory}")
        return STOPPED
    seen = asyncio.run(_look(home, state))
    print("\n".join(_lines(home, state, seen)))
    runs = all(each.identity is not None and each.identity.is_alive for each in state.processes)
    return 0 if state.ready and runs and seen.server and seen.node else UNWELL


async def _look(home: Home, state: State) -> Seen:
    try:
        async with observing(home, state.server) as observer:
            return Seen(
                await observer.is_ready(), await observer.node_is_ready(state.node), await observer.guests(state.node)
            )
    except OSError:  # without usable certificates nothing can be asked
        return Seen(server=False, node=None, guests=None)


def _lines(home: Home, state: State, seen: Seen) -> list[str]:
    node = {True: "Ready", False: "not Ready", None: "unknown"}[seen.node]
    rows = [("up", str(state.supervisor.pid), state.since, "")]
    for each in state.processes:
        runs = each.identity is not None and each.identity.is_alive
        pid = str(each.identity.pid) if each.identity and runs else "-"
        rows.append((each.name, pid, each.since if runs else "waiting to start again", str(each.restarts)))
    return [
        f"{'PROCESS':12} {'PID':>8}  {'SINCE':25} RESTARTS",
        *(f"{name:12} {pid:>8}  {since:25} {restarts}".rstrip() for name, pid, since, restarts in rows),
        "",
        f"{'home':12} {home.directory}",
        f"{'address':12} {state.server} {'ready' if seen.server else 'not ready'}",
        f"{'node':12} {state.node} {node}",
        f"{'libvirt':12} {state.libvirt_uri or 'not chosen yet'}",
        f"{'guests':12} {'unknown' if seen.guests is None else f'{seen.guests} running'}",
    ]
