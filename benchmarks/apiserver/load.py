"""One run of wrk: what it sends is in ``load/``, what came of it is a line of JSON."""

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import orjson
from dataset import write_template
from target import Target

SCRIPTS = Path(__file__).with_name("load")
PATIENCE_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Load:
    """What to send, on how many connections."""

    script: str
    path: str
    connections: int
    delay_milliseconds: int = 0
    """How long each connection rests between an answer and its next request."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one run has shown."""

    requests: int
    seconds: float
    failed: int
    p50_ms: float
    p99_ms: float
    bytes: int

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


def run(target: Target, load: Load, machines: int, number: int, seconds: int) -> Outcome:
    """Run wrk and return what it has shown; ``number`` is one that no other run against these machines has.

    Raises SystemExit when it failed, TimeoutExpired when it does not end.
    """
    with tempfile.TemporaryDirectory(prefix="virtplane-benchmark-") as directory:
        environment = {
            **os.environ,
            "LUA_PATH": f"{SCRIPTS}/?.lua",
            "MACHINE_TEMPLATE": str(write_template(Path(directory))),
            # Not an argument: those are shown to everybody on this host.
            "TOKEN": target.token,
        }
        command = [
            *("wrk", "--threads", "1", "--connections", str(load.connections), "--duration", f"{seconds}s"),
            *("--timeout", "30s", "--script", str(SCRIPTS / f"{load.script}.lua"), target.url + load.path, "--"),
            *(str(machines), str(number), str(load.delay_milliseconds)),
        ]
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, timeout=seconds + PATIENCE_SECONDS, check=False
        )
    if done.returncode != 0:
        raise SystemExit(f"wrk ended with {done.returncode}: {done.stdout.decode()}")
    return Outcome(**orjson.loads(done.stdout.splitlines()[-1]))
