"""The benchmark of the whole system works; how fast anything is never decides a test."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "system"
SECONDS = 120


def test_every_machine_runs_and_runs_again_and_what_it_cost_is_told(tmp_path: Path) -> None:
    chart = tmp_path / "chart.svg"
    command = [sys.executable, BENCHMARK, "--short", "--chart", str(chart)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[:2] for row in rows if row[:1] in (["start"], ["restart"])] == [
        ["start", "5"],
        ["restart", "5"],
        ["start", "10"],
        ["restart", "10"],
    ]
    calls = {" ".join(row[:2]): row[2:] for row in rows if len(row) == 4}
    assert calls["POST virtualmachineinstances"] == ["1.00", "1.00"], done.stdout
    assert calls["DELETE virtualmachineinstances"] == ["0.00", "1.00"], done.stdout
    drawn = ET.parse(chart).getroot()  # noqa: S314 - drawn by the benchmark
    assert "start: CPU of server, by machines" in {text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")}
