"""Many watchers at once, in C so that the server is what is measured."""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import load
import orjson
from target import MACHINES, Target

SOURCE = Path(__file__).with_name("watchers.c")
WRITERS = load.Load(script="patch", path=MACHINES, connections=16)
SILENCE_SECONDS = 1.0
"""After so long without an event all have come."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What watchers were told, and what was written meanwhile."""

    events: int
    seconds: float
    ended: int
    writes: load.Outcome
    watchers: int

    @property
    def rate(self) -> float:
        """Events a second, over all watchers."""
        return self.events / self.seconds

    @property
    def complete(self) -> bool:
        """Whether every watcher was told of every write, and none was dropped."""
        return not self.ended and self.events >= self.watchers * (self.writes.requests - self.writes.failed)


@cache
def _program() -> Path:
    if not (compiler := shutil.which("cc")):
        raise SystemExit("a C compiler and libssl-dev are needed for the watchers: apt-get install gcc libssl-dev")
    program = Path(tempfile.mkdtemp(prefix="virtplane-benchmark-")) / "watchers"
    subprocess.run([compiler, "-O2", "-o", program, SOURCE, "-lssl", "-lcrypto"], check=True)
    return program


def run(target: Target, watchers: int, machines: int, number: int, seconds: int) -> Watched:
    """Watch all machines ``watchers`` times while their status is written for ``seconds``."""
    revision = target.request("GET", f"{MACHINES}?limit=1")["metadata"]["resourceVersion"]
    path = f"{MACHINES}?watch=true&timeoutSeconds=3600&resourceVersion={revision}"
    command = [_program(), target.host, str(target.port), path, str(watchers), str(SILENCE_SECONDS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdin is None or process.stdout is None:
            raise SystemExit("watchers have no pipes")
        process.stdin.write(target.token.encode() + b"\n")
        process.stdin.flush()
        if process.stdout.readline() != b"open\n":
            raise SystemExit("the watches were not opened; what the server said is above")
        writes = load.run(target, WRITERS, machines, number, seconds)
        process.stdin.close()
        told = orjson.loads(process.stdout.read())
    return Watched(
        events=told["events"], seconds=told["seconds"], ended=told["ended"], writes=writes, watchers=watchers
    )
