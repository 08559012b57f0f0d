"""The benchmark of the API server works; how fast anything is never decides a test."""

import subprocess
import sys
from pathlib import Path

import orjson

from tests.apiserver.storage import postgresql

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "apiserver"
SECONDS = 120


def run(*arguments: str) -> str:
    command = [sys.executable, BENCHMARK, "--short", *arguments]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_table_has_every_figure_and_nothing_failed(tmp_path: Path) -> None:
    saved = tmp_path / "figures.json"
    told = run("--save", str(saved))
    assert "FAILED" not in told
    assert "NOT COMPLETE" not in told
    figures = {each["name"]: each["median"] for each in orjson.loads(saved.read_bytes())["figures"]}
    assert all(median > 0 for median in figures.values()), told
    assert {
        "fixed answers",
        "get",
        "list of 500",
        "status patch",
        "create",
        "memory",
        "ready after its start",
    } < figures.keys()


def test_two_servers_are_measured_together(tmp_path: Path) -> None:
    saved = tmp_path / "figures.json"
    with postgresql.running() as url:
        told = run("--database", url, "--replicas", "2", "--save", str(saved))
    assert "FAILED" not in told
    names = {each["name"] for each in orjson.loads(saved.read_bytes())["figures"]}
    assert {"get, 1 of 2 servers", "get, 2 of 2 servers", "create, 2 of 2 servers"} < names
    assert "a write at one until a watch at another tells it, p99" in names
