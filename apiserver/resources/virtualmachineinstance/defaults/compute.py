"""Processors and memory: what the guest has, what is set aside for it, and how far it may grow."""

from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.defaults.machine import ARM64
from kube.configuration import DEFAULT_CPU_REQUEST, Configuration
from kube.hotplug import memory_obstacle, most_sockets
from kube.quantity import QuantityError, format_bytes, parse_bytes

_COUNTS = ("sockets", "cores", "threads")
_MOST_SOCKETS = 2**31 - 1
"""What is far beyond is refused anyway; this much is a number in every schema."""


def requests(spec: Object, configuration: Configuration) -> None:
    """Set aside as many CPUs as the limit is, or else what the configuration says if that is not the usual."""
    domain = spec["domain"]
    given = domain.get("resources", {})
    asked, limit = given.get("requests", {}), given.get("limits", {}).get("cpu")
    share: object = None
    if _is_some(limit) and not _is_some(asked.get("cpu")):
        share = limit
    elif "cpu" not in asked and configuration.cpu_request != DEFAULT_CPU_REQUEST:
        share = None if domain.get("cpu", {}).get("dedicatedCpuPlacement") else configuration.cpu_request
    if share is not None:
        domain["resources"] = {**given, "requests": {**asked, "cpu": share}}


def guest_memory(spec: Object) -> None:
    """Show the guest the memory that is requested for it, else its limit, else one huge page."""
    domain = spec["domain"]
    memory = domain.setdefault("memory", {})
    if "guest" in memory:
        return
    resources = domain.get("resources", {})
    choices = (
        resources.get("requests", {}).get("memory"),
        resources.get("limits", {}).get("memory"),
        memory.get("hugepages", {}).get("pageSize"),
    )
    guest = next((each for each in choices if _is_some(each)), None)
    if guest is not None:
        memory["guest"] = guest


def topology(spec: Object) -> None:
    """Make a socket of each CPU that is asked for, where no topology is."""
    cpu = spec["domain"].setdefault("cpu", {})
    if not any(cpu.get(count) for count in _COUNTS):
        resources = spec["domain"].get("resources", {})
        cpus = resources.get("limits", {}).get("cpu", resources.get("requests", {}).get("cpu"))
        cpu["sockets"] = min(_whole(cpus), _MOST_SOCKETS)
    for count in _COUNTS:
        cpu[count] = cpu.get(count) or 1


def model(spec: Object, configuration: Configuration) -> None:
    """Choose the CPU model."""
    cpu = spec["domain"]["cpu"]
    if not cpu.get("model"):
        usual = configuration.cpu_model or "host-model"
        cpu["model"] = "host-passthrough" if spec["architecture"] == ARM64 else usual


def hotplug(spec: Object, configuration: Configuration) -> None:
    """Leave room to grow while the guest runs, where changes are made so and the guest can."""
    if spec["architecture"] == ARM64 or not configuration.updates_live:
        return
    cpu, memory = spec["domain"]["cpu"], spec["domain"]["memory"]
    if not cpu.get("maxSockets"):
        cpu["maxSockets"] = most_sockets(cpu, configuration)
    if "maxGuest" in memory or "guest" not in memory:
        return
    most = configuration.max_guest or _multiple(memory["guest"], configuration.max_hotplug_ratio)
    if memory_obstacle(spec, most) is None:
        memory["maxGuest"] = most


def _multiple(amount: str | int, ratio: int) -> str:
    return format_bytes(_whole(amount) * ratio)


def _is_some(amount: object) -> bool:
    """Return True for a quantity that is more than nothing."""
    return isinstance(amount, str | int) and _whole(amount) != 0


def _whole(amount: str | int | None) -> int:
    """Return a quantity rounded up, and 0 for what is none: validation tells that."""
    try:
        return 0 if amount is None else parse_bytes(amount)
    except QuantityError:
        return 0
