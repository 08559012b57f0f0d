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


def start(target: Target, load: Load, machines: int, run: int, seconds: int) -> "subprocess.Popen[bytes]":
    """Start wrk; ``run`` is a number that no other run against these machines has."""
    environment = {**os.environ, "LUA_PATH": f"{SCRIPTS}/?.lua"}
    if load.script == "create":
        directory = Path(tempfile.gettempdir()) / "virtplane-benchmark"
        directory.mkdir(exist_ok=True)
        environment["MACHINE_TEMPLATE"] = str(write_template(directory))
    return subprocess.Popen(
        [
            *("wrk", "--threads", "1", "--connections", str(load.connections), "--duration", f"{seconds}s"),
            *("--timeout", "30s", "--script", str(SCRIPTS / f"{load.script}.lua"), target.url + load.path, "--"),
            *(target.token, str(machines), str(run), str(load.delay_milliseconds)),
        ],
        env=environment,
        stdout=subprocess.PIPE,
    )


def outcome(process: "subprocess.Popen[bytes]", seconds: int) -> Outcome:
    """Return what a run has shown once it has ended. Raises SystemExit when it failed."""
    said, _ = process.communicate(timeout=seconds + PATIENCE_SECONDS)
    if process.returncode != 0:
        raise SystemExit(f"wrk ended with {process.returncode}: {said.decode()}")
    return Outcome(**orjson.loads(said.splitlines()[-1]))


def run(target: Target, load: Load, machines: int, run: int, seconds: int) -> Outcome:
    """Run wrk and return what it has shown."""
    return outcome(start(target, load, machines, run, seconds), seconds)
