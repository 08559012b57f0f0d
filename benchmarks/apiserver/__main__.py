"""Measure an API server, and print one table.

python benchmarks/apiserver                         ours on SQLite, with 11,400 machines
python benchmarks/apiserver --database postgresql://USER@HOST/NAME
python benchmarks/apiserver --database postgresql://USER@HOST/NAME --replicas 2     two servers on it, together
python benchmarks/apiserver --server https://HOST:6443 --token-file FILE [--authority FILE]
python benchmarks/apiserver --save before.json      and later --compare before.json
python benchmarks/apiserver --growth growth.svg     how figures change with the number of machines and watchers
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import growth
import replicas
import report
from dataset import fill
from figures import Figure, Plan, measure
from target import Target, own_server

FULL = Plan(machines=11_400, seconds=5, runs=3, watchers=500)
SHORT = Plan(machines=300, seconds=1, runs=1, watchers=20)


def main() -> None:
    """Measure what the command line says."""
    given = _parser().parse_args()
    plan = SHORT if given.short else FULL
    with tempfile.TemporaryDirectory(prefix="virtplane-benchmark-") as directory:
        if given.growth:
            with _running(given, Path(directory)) as target:
                points = growth.measure(target, growth.SHORT if given.short else growth.FULL, _tell)
            given.growth.write_text(growth.chart(points))
            print(growth.table(points))
            return
        if given.replicas:
            found, about = _replicas(given, plan, Path(directory))
            _show(given, about, found)
            return
        with _running(given, Path(directory)) as target:
            _tell(f"storing {plan.machines} machines")
            began = time.monotonic()
            asyncio.run(fill(target, 0, plan.machines))
            _tell(f"stored in {time.monotonic() - began:.1f} s")
        # Started anew: what is measured is what starts with all of them.
        with _running(given, Path(directory)) as target:
            found = list(measure(target, plan, _tell))
            about = report.surroundings(target, plan)
    _show(given, about, found)


def _show(given: argparse.Namespace, about: Mapping[str, str], found: Sequence[Figure]) -> None:
    print(report.table(about, found, report.read(given.compare) if given.compare else None))
    if given.save:
        report.save(given.save, about, found)


def _replicas(given: argparse.Namespace, plan: Plan, directory: Path) -> tuple[list[Figure], Mapping[str, str]]:
    if not given.database:
        raise SystemExit("several servers need a database that they can share: --database postgresql://USER@HOST/NAME")
    with replicas.own_servers(given.database, directory, given.replicas) as targets:
        _tell(f"storing {plan.machines} machines")
        asyncio.run(fill(targets[0], 0, plan.machines))
    with replicas.own_servers(given.database, directory, given.replicas) as targets:
        return list(replicas.measure(targets, plan, _tell)), report.surroundings(targets[0], plan)


@contextlib.contextmanager
def _running(given: argparse.Namespace, directory: Path) -> Iterator[Target]:
    if given.server is None:
        with own_server(given.database, directory) as target:
            yield target
        return
    yield Target(
        name=given.server,
        url=given.server.rstrip("/"),
        token=given.token_file.read_text().strip(),
        authority=given.authority.read_text() if given.authority else "",
        process=given.process,
    )


def _tell(text: str) -> None:
    print(f"==> {text}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", default="", metavar="URL", help="empty for SQLite")
    parser.add_argument("--replicas", type=int, metavar="COUNT", help="servers on that database, measured together")
    parser.add_argument("--server", metavar="URL", help="another server, which has the kinds of kubevirt.io")
    parser.add_argument("--token-file", type=Path, help="of somebody who may do everything there")
    parser.add_argument("--authority", type=Path, help="whom to trust, in PEM; nothing is verified without")
    parser.add_argument("--process", type=int, help="its process, whose memory is measured")
    parser.add_argument("--short", action="store_true", help="a few seconds: to see that it works")
    parser.add_argument("--save", type=Path, metavar="FILE")
    parser.add_argument("--compare", type=Path, metavar="FILE")
    parser.add_argument("--growth", type=Path, metavar="FILE", help="draw a chart of growth instead")
    return parser


if __name__ == "__main__":
    main()
