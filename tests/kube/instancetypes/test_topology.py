"""vCPUs become sockets, cores and threads as a preference would have it."""

from typing import Any

import pytest

from kube.instancetypes.topology import guest_topology, uneven_spread

Object = dict[str, Any]


def preference(topology: str, **options: Any) -> Object:
    return {"cpu": {"preferredCPUTopology": topology, "spreadOptions": options}}


@pytest.mark.parametrize(
    ("given", "sockets", "cores", "threads"),
    [
        (None, 8, 1, 1),
        (preference("sockets"), 8, 1, 1),
        (preference("preferSockets"), 8, 1, 1),
        (preference("any"), 8, 1, 1),
        (preference("preferAny"), 8, 1, 1),
        (preference("cores"), 1, 8, 1),
        (preference("preferCores"), 1, 8, 1),
        (preference("threads"), 1, 1, 8),
        (preference("preferThreads"), 1, 1, 8),
        (preference("spread"), 4, 2, 1),
        (preference("preferSpread"), 4, 2, 1),
        (preference("spread", ratio=4), 2, 4, 1),
        ({**preference("spread"), "preferSpreadSocketToCoreRatio": 4}, 2, 4, 1),
        ({**preference("spread", ratio=8), "preferSpreadSocketToCoreRatio": 4}, 1, 8, 1),
        (preference("spread", across="CoresThreads"), 1, 4, 2),
        (preference("spread", across="SocketsCoresThreads"), 2, 2, 2),
    ],
)
def test_eight_processors(given: Object | None, sockets: int, cores: int, threads: int) -> None:
    assert guest_topology(8, given) == {"sockets": sockets, "cores": cores, "threads": threads}


@pytest.mark.parametrize("topology", ["cores", "threads", "spread"])
def test_one_processor_is_one_of_each(topology: str) -> None:
    assert guest_topology(1, preference(topology)) == {"sockets": 1, "cores": 1, "threads": 1}


@pytest.mark.parametrize(
    ("vcpus", "options", "multiple"),
    [
        (3, {}, 2),
        (6, {"ratio": 4}, 4),
        (3, {"across": "CoresThreads"}, 2),
        (6, {"across": "SocketsCoresThreads"}, 4),
        (2, {"across": "SocketsCoresThreads"}, 4),
    ],
)
def test_what_cannot_be_spread_says_by_how_much(vcpus: int, options: Object, multiple: int) -> None:
    why = uneven_spread({"cpu": {"guest": vcpus}}, preference("spread", **options))
    assert why is not None
    assert why.endswith(f"multiple of {multiple}")


@pytest.mark.parametrize("given", [None, preference("cores"), preference("spread", ratio=3)])
def test_what_is_not_spread_or_spreads_evenly_is_fine(given: Object | None) -> None:
    assert uneven_spread({"cpu": {"guest": 3}}, given) is None
    assert uneven_spread(None, given) is None
