"""What a VirtualMachineInstance takes of a node: for placing it, and for quotas and limit ranges of its namespace.

There is no Pod around a guest and no process beside QEMU that is its alone, so nothing is added to what the guest has.
"""

from decimal import Decimal

from kube.configuration import Configuration
from kube.objects import Object
from kube.quantity import amount

_DEFAULTS = Configuration()
Amounts = dict[str, Decimal]
"""How much of which resource: CPUs, bytes, pieces."""


def requests(instance: Object, configuration: Configuration = _DEFAULTS) -> Amounts:
    """Return what the instance is sure to get, of ``cpu`` and ``memory``.

    It is what ``spec.domain.resources.requests`` says. Otherwise it is the guest's memory, less where that may be
    overcommitted, and a share of a CPU for each of its own, a whole one where they are dedicated (KubeVirt's rules for
    its launcher Pods).
    """
    domain = instance["spec"].get("domain", {})
    said = domain.get("resources", {}).get("requests", {})
    dedicated = domain.get("cpu", {}).get("dedicatedCpuPlacement")
    share = cpus(instance) if dedicated else cpus(instance) / configuration.cpu_allocation_ratio
    # Huge pages are taken whole when the guest starts.
    huge = "hugepages" in domain.get("memory", {})
    overcommit = 1 if huge else Decimal(configuration.memory_overcommit) / 100
    return {
        "cpu": amount(said["cpu"]) if "cpu" in said else share,
        "memory": amount(said["memory"]) if "memory" in said else guest_memory(instance) / overcommit,
    }


def limits(instance: Object) -> Amounts:
    """Return what the instance takes at most, of ``cpu`` and ``memory``.

    It is what ``spec.domain.resources.limits`` says. Otherwise its hardware is the limit: no guest uses more than its
    CPUs and its memory.
    """
    said = instance["spec"].get("domain", {}).get("resources", {}).get("limits", {})
    return {
        "cpu": amount(said["cpu"]) if "cpu" in said else cpus(instance),
        "memory": amount(said["memory"])
        if "memory" in said
        else max(guest_memory(instance), requests(instance)["memory"]),
    }


def cpus(instance: Object) -> Decimal:
    """Return how many CPUs the guest sees."""
    topology = instance["spec"].get("domain", {}).get("cpu", {})
    return Decimal(topology.get("sockets", 1) * topology.get("cores", 1) * topology.get("threads", 1))


def guest_memory(instance: Object) -> Decimal:
    """Return how many bytes of memory the guest sees."""
    return amount(instance["spec"].get("domain", {}).get("memory", {}).get("guest", 0))
