"""The table, what is saved of it, and the comparison with what was saved before."""

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
from dataset import BYTES
from figures import Figure, Plan
from target import Target

Saved = Mapping[str, Any]


def surroundings(target: Target, plan: Plan) -> dict[str, str]:
    """Return where and with what it was measured."""
    wrk = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False).stdout.split(" [")[0]
    told = target.request("GET", "/version")["gitVersion"]
    return {
        "server": f"{target.name}, {told}",
        "stored": f"{plan.machines} VirtualMachines of {BYTES} bytes",
        "runs": f"median of {plan.runs}, {plan.seconds:g} s each; in brackets the lowest and the highest",
        "machine": f"{_processor()}, {_cores()} cores shared with the load, {platform.system()} {platform.release()}",
        "versions": f"Python {platform.python_version()}, aiohttp {version('aiohttp')}, {wrk}",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def table(about: Mapping[str, str], found: Sequence[Figure], before: Saved | None) -> str:
    """Return it all as text, with what a saved run had beside it."""
    old = {each["name"]: each["median"] for each in before["figures"]} if before else {}
    heads = ("figure", "median", "runs", "target", *(("before", "change") if before else ()), "notes")
    rows = [heads, *(_row(each, old, compared=before is not None) for each in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*(f"{name}: {text}" for name, text in about.items()), "", *lines])


def save(path: Path, about: Mapping[str, str], found: Sequence[Figure]) -> None:
    """Write what a later run is compared with. Raises OSError."""
    content = {"about": about, "figures": [asdict(each) for each in found]}
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def read(path: Path) -> Saved:
    """Return what was saved. Raises OSError."""
    return orjson.loads(path.read_bytes())


def _row(figure: Figure, old: Mapping[str, float], *, compared: bool) -> tuple[str, ...]:
    known = old.get(figure.name)
    beside = ("", "") if known is None else (_number(known), f"{100 * (figure.median / known - 1):+.0f} %")
    return (
        figure.name,
        f"{_number(figure.median)} {figure.unit}",
        f"[{_number(figure.lowest)}..{_number(figure.highest)}]",
        _verdict(figure),
        *(beside if compared else ()),
        figure.note,
    )


def _verdict(figure: Figure) -> str:
    if figure.target is None:
        return ""
    reached = figure.median >= figure.target if figure.more_is_better else figure.median <= figure.target
    return f"{'reached' if reached else 'missed'}: {_number(figure.target)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0))
