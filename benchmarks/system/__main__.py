"""Measure the whole system, and print tables.

python benchmarks/system                       100 to 1,000 machines on 20 simulated agents, from nothing and again
python benchmarks/system --chart system.svg    and draw what one machine costs by the number of machines
python benchmarks/system --guests 100          real guests, emulated, on one agent, and virsh starting the same domains
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

# What the other benchmarks have is used here, too.
sys.path.append(str(Path(__file__).resolve().parents[1]))
sys.path.append(str(Path(__file__).resolve().parents[1] / "apiserver"))

import guests
import tables
from growth import chart
from processes import simulated
from scenario import Outcome, costs, start_and_restart

FULL, SHORT = (100, 250, 500, 1_000), (5, 10)


def main() -> None:
    """Measure what the command line says."""
    given = _parser().parse_args()
    if given.guests:
        with tempfile.TemporaryDirectory(prefix="virtplane-system-", ignore_cleanup_errors=True) as directory:
            print(tables.starts(asyncio.run(guests.compare(Path(directory), given.guests, _tell))))
        return
    sizes = given.machines or (SHORT if given.short else FULL)
    agents = 2 if given.short else given.agents
    found: list[Outcome] = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="virtplane-system-") as directory:
            _tell(f"a server, controllers and {agents} simulated agents")
            with simulated(Path(directory), agents) as running:
                found += asyncio.run(start_and_restart(running, size, _tell))
    print(tables.all_of(found, agents))
    if given.chart:
        given.chart.write_text(chart(costs(found)))


def _tell(text: str) -> None:
    print(f"==> {text}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, action="append", metavar="NUMBER", help="how many; may be repeated")
    parser.add_argument("--agents", type=int, default=20, metavar="NUMBER")
    parser.add_argument("--guests", type=int, metavar="NUMBER", help="start real ones instead")
    parser.add_argument("--short", action="store_true", help="a few seconds: to see that it works")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw what one machine costs")
    return parser


if __name__ == "__main__":
    main()
