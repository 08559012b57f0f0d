"""How the vCPUs of an instance type become sockets, cores and threads, as a preference would have it."""

from dataclasses import dataclass
from enum import Enum

from kube.instancetypes.fields import field
from kube.objects import Object

THREADS_PER_CORE = 2


class Topology(Enum):
    """What the vCPUs of a guest are."""

    SOCKETS = "sockets"
    CORES = "cores"
    THREADS = "threads"
    SPREAD = "spread"
    ANY = "any"


TOPOLOGIES = tuple(topology.value for topology in Topology)
"""All that ``preferredCPUTopology`` should say."""
DEPRECATED_TOPOLOGIES = {f"prefer{name.capitalize()}": name for name in TOPOLOGIES}
"""What it may say too, as in the early days, and what that is called now."""
ACROSS = ("SocketsCores", "CoresThreads", "SocketsCoresThreads")


@dataclass(frozen=True, slots=True)
class Spread:
    """Over what vCPUs are spread, and how many go into each core or socket."""

    ratio: int
    across: str

    @property
    def per_unit(self) -> int:
        """What the number of vCPUs must be a multiple of."""
        return self.ratio * THREADS_PER_CORE if self.across == "SocketsCoresThreads" else self.ratio

    @property
    def counts(self) -> tuple[str, ...]:
        """The counts of a guest's topology whose product is its vCPUs."""
        return {"SocketsCores": ("sockets", "cores"), "CoresThreads": ("cores", "threads")}.get(
            self.across, ("sockets", "cores", "threads")
        )


def preferred_topology(preference: Object | None) -> Topology:
    """Return what a preference's spec says, or sockets."""
    said = field(preference or {}, "cpu.preferredCPUTopology") or Topology.SOCKETS.value
    return Topology(DEPRECATED_TOPOLOGIES.get(said, said))


def spread_of(preference: Object | None) -> Spread:
    """Return how a preference's spec spreads vCPUs: two cores a socket unless it says otherwise."""
    said = preference or {}
    ratio = field(said, "cpu.spreadOptions.ratio") or said.get("preferSpreadSocketToCoreRatio") or 2
    return Spread(ratio, field(said, "cpu.spreadOptions.across") or ACROSS[0])


def guest_topology(vcpus: int, preference: Object | None) -> dict[str, int]:
    """Return the counts of sockets, cores and threads for ``vcpus``, which spread evenly (:func:`uneven_spread`)."""
    counts = {"sockets": 1, "cores": 1, "threads": 1}
    if vcpus == 1:
        return counts
    match preferred_topology(preference):
        case Topology.CORES:
            return counts | {"cores": vcpus}
        case Topology.THREADS:
            return counts | {"threads": vcpus}
        case Topology.SPREAD:
            return counts | _spread(vcpus, spread_of(preference))
        case _:
            return counts | {"sockets": vcpus}


def _spread(vcpus: int, spread: Spread) -> dict[str, int]:
    units = vcpus // spread.per_unit
    match spread.across:
        case "CoresThreads":
            return {"threads": spread.ratio, "cores": units}
        case "SocketsCoresThreads":
            return {"threads": THREADS_PER_CORE, "cores": spread.ratio, "sockets": units}
        case _:
            return {"cores": spread.ratio, "sockets": units}


def uneven_spread(instancetype: Object | None, preference: Object | None) -> str | None:
    """Return why the vCPUs of an instance type cannot be spread as a preference wants it, or None."""
    if instancetype is None or preferred_topology(preference) is not Topology.SPREAD:
        return None
    spread, vcpus = spread_of(preference), instancetype["cpu"]["guest"]
    if vcpus == 1 or vcpus % spread.per_unit == 0:
        return None
    return (
        f"{vcpus} vCPUs of the instance type cannot be spread across {spread.across} by the preference's ratio of "
        f"{spread.ratio}; they must be a multiple of {spread.per_unit}"
    )
