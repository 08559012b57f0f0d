"""The processes of an installation with many nodes, and what they use."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from target import Target, own_server, resident_bytes

from virtplane.home import Home
from virtplane.prepare import make_credentials
from virtplane.settings import Settings

START_SECONDS = 120
TICKS = os.sysconf("SC_CLK_TCK")
HOST = """
<node>
  <cpu><nodes>1</nodes><sockets>4</sockets><cores>16</cores><threads>1</threads><active>64</active></cpu>
  <memory>536870912</memory>
</node>
"""
"""What libvirt's test driver is to take for the host: 64 cores and 512 GiB (https://libvirt.org/drvtest.html)."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the processes of one component have used."""

    cpu_seconds: float
    resident_bytes: int


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A server, its controllers and its agents, each a process."""

    target: Target
    home: Path
    components: Mapping[str, Sequence[int]]

    def usage(self) -> dict[str, Usage]:
        """Return what each component has used until now."""
        return {
            name: Usage(sum(map(_cpu_seconds, found)), sum(map(resident_bytes, found)))
            for name, found in self.components.items()
        }


@contextlib.contextmanager
def simulated(directory: Path, agents: int) -> Iterator[Installation]:
    """Run everything for as long as the context lasts, with ``agents`` whose libvirt is the test driver."""
    host = directory / "host.xml"
    host.write_text(HOST)
    hosts = {f"node-{number:02d}": {"libvirt_uri": f"test://{host}", "network": "nat"} for number in range(agents)}
    with installation(directory, hosts) as running:
        yield running


@contextlib.contextmanager
def installation(directory: Path, nodes: Mapping[str, Mapping[str, str]]) -> Iterator[Installation]:
    """Run a server, controllers, and an agent with its own settings for each of ``nodes``."""
    home = directory / "home"
    with own_server("", home) as target, contextlib.ExitStack() as stack:
        shared = Settings(home=str(home), port=target.port, emulation="on", log_level="warning")
        controllers = stack.enter_context(_process("controllers", shared))
        agents: list[int] = []
        for name, own in nodes.items():
            # The certificates that `virtplane agent join` would bring, signed without asking the server.
            own_home = str(directory / name)
            here = replace(shared, home=own_home, node_name=name, agent_address="127.0.0.1", **own)
            shutil.copytree(home / "pki", Home.of(here).pki)
            make_credentials(here, Home.of(here))
            agents.append(stack.enter_context(_process("agent", here)))
        _until_ready(target, len(nodes))
        components = {"server": [target.process or 0], "controllers": [controllers], "agents": agents}
        yield Installation(target=target, home=home, components=components)


@contextlib.contextmanager
def _process(role: str, settings: Settings) -> Iterator[int]:
    command = [str(Path(sys.executable).with_name("virtplane")), role]
    process = subprocess.Popen(command, env={**os.environ, **settings.environment()}, stdout=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def _until_ready(target: Target, nodes: int) -> None:
    """Wait until every node says that it is ready."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        found = target.request("GET", "/api/v1/nodes")["items"]
        conditions = [each for node in found for each in node.get("status", {}).get("conditions", ())]
        if sum(each["type"] == "Ready" and each["status"] == "True" for each in conditions) == nodes:
            return
        time.sleep(0.2)
    raise SystemExit("not every agent becomes ready; what they said is above")


def _cpu_seconds(process: int) -> float:
    """Return the time that a process has spent on processors, for itself and for the kernel (proc(5))."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
