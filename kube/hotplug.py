"""How far a guest may grow while it runs.

Source: KubeVirt's ``pkg/liveupdate/memory`` and ``pkg/defaults``.
"""

from kube.configuration import Configuration
from kube.objects import Object
from kube.quantity import QuantityError, parse_bytes

MOST_CPUS = 512
"""KubeVirt's limit of virtual CPUs, those that may be plugged in later included."""
_BLOCK, _HUGE_BLOCK = 2 * 2**20, 2**30
_LEAST_GUEST = 2**30
_INCOMPATIBLE = (("cpu", "realtime"), ("cpu", "numa", "guestMappingPassthrough"), ("launchSecurity",))


def most_sockets(cpu: Object, configuration: Configuration) -> int:
    """Return how many sockets a guest with this topology may have that says nothing about it."""
    sockets, most = cpu["sockets"], configuration.max_cpu_sockets
    if most:
        return max(most, sockets)
    per_socket = cpu["cores"] * cpu["threads"]
    wanted = sockets * configuration.max_hotplug_ratio
    return wanted if wanted * per_socket <= MOST_CPUS else max(MOST_CPUS // per_socket, sockets)


def memory_obstacle(spec: Object, most: str | int) -> str | None:
    """Return why the memory of an instance cannot grow to ``most``, a quantity, while it runs; None when it can."""
    domain = spec["domain"]
    if names := next((names for names in _INCOMPATIBLE if _has(domain, names)), None):
        return f"memory of a guest with domain.{'.'.join(names)} cannot grow while it runs"
    if spec.get("architecture") != "amd64":
        return "memory can grow while the guest runs on amd64 only"
    memory = domain.get("memory", {})
    block = _HUGE_BLOCK if memory.get("hugepages", {}).get("pageSize") == "1Gi" else _BLOCK
    unit = "1Gi" if block == _HUGE_BLOCK else "2Mi"
    try:
        guest, maximum = parse_bytes(memory.get("guest", 0)), parse_bytes(most)
    except QuantityError as error:
        return str(error)
    if guest > maximum:
        return "is less than the memory that the guest starts with"
    if guest % block or maximum % block:
        return f"memory can only grow if this and domain.memory.guest are multiples of {unit}"
    if guest < _LEAST_GUEST:
        return "memory can only grow if domain.memory.guest is at least 1Gi"
    return None


def _has(owner: Object, names: tuple[str, ...]) -> bool:
    found: object = owner
    for name in names:
        if not isinstance(found, dict) or name not in found:
            return False
        found = found[name]
    return True
