"""What was measured, as text."""

from collections.abc import Sequence

from guests import Started
from scenario import Outcome

SIMULATED = """\
simulated: the guests and their libvirt, which is libvirt's test driver inside each agent: it keeps the domains, and
  starts and ends them at once. No QEMU, no disks, no guest that boots or takes its time to shut down.
real: one server on SQLite, one process of controllers, {} processes of agents, TLS between them, all that they say.
CPU, calls and writes, without the one that asked for it, are those of one machine; memory is that of all
processes of a component, after the step.\
"""


def all_of(found: Sequence[Outcome], agents: int) -> str:
    """Return everything."""
    return "\n\n".join((SIMULATED.format(agents), _rates(found), _calls(found)))


def starts(found: Sequence[Started]) -> str:
    """Return how long real guests took to run."""
    rows = [["guests, all asked for at once", "number", "p50", "p95", "all"]]
    for each in found:
        row = [each.way, str(len(each.seconds)), f"{each.p50:.2f} s", f"{each.p95:.2f} s", f"{max(each.seconds):.2f} s"]
        rows.append(row)
    return aligned(rows)


def _rates(found: Sequence[Outcome]) -> str:
    components = list(found[0].used)
    heads = ["step", "machines", "seconds", "rate", "p50", "p99", "writes", "Events"]
    heads += [f"CPU {name}" for name in components] + [f"memory {name}" for name in components]
    rows = [heads]
    for each in found:
        row = [each.step, f"{each.machines:,}", f"{each.seconds:.1f}", f"{each.rate:.1f}/s"]
        row += [f"{each.p50_seconds:.2f} s", f"{each.p99_seconds:.2f} s", f"{each.writes:.2f}", f"{each.events:.2f}"]
        row += [f"{1000 * each.used[name].cpu_seconds / each.machines:.1f} ms" for name in components]
        row += [f"{each.used[name].resident_bytes / 1e6:,.0f} MB" for name in components]
        rows.append(row)
    return aligned(rows)


def _calls(found: Sequence[Outcome]) -> str:
    """Return the calls of each machine where there were the most machines."""
    most = max(each.machines for each in found)
    steps = [each for each in found if each.machines == most]
    names = sorted({name for each in steps for name, count in each.calls.items() if count >= most / 50})
    rows = [["calls each", *(each.step for each in steps)]]
    rows += [[name, *(f"{each.calls.get(name, 0) / most:.2f}" for each in steps)] for name in names]
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
