"""Applying an instance type, and then a preference, to the spec of an instance."""

from decimal import Decimal

from kube.instancetypes.fields import field, is_open, put
from kube.instancetypes.preferences import apply_preference
from kube.instancetypes.topology import guest_topology
from kube.objects import Object
from kube.quantity import format_bytes, parse

_OWNED = (
    "domain.cpu.sockets",
    "domain.cpu.cores",
    "domain.cpu.threads",
    "domain.memory.guest",
    *(f"domain.resources.{kind}.{name}" for kind in ("requests", "limits") for name in ("cpu", "memory")),
)
"""What every instance type decides, so that a machine with one must not."""
_EITHER = {
    "cpu.model": "domain.cpu.model",
    "cpu.dedicatedCPUPlacement": "domain.cpu.dedicatedCpuPlacement",
    "cpu.isolateEmulatorThread": "domain.cpu.isolateEmulatorThread",
    "cpu.numa": "domain.cpu.numa",
    "cpu.realtime": "domain.cpu.realtime",
    "memory.hugepages": "domain.memory.hugepages",
    "memory.maxGuest": "domain.memory.maxGuest",
    "ioThreadsPolicy": "domain.ioThreadsPolicy",
    "ioThreads.supplementalPoolThreadCount": "domain.ioThreads.supplementalPoolThreadCount",
    "launchSecurity": "domain.launchSecurity",
    "gpus": "domain.devices.gpus",
    "hostDevices": "domain.devices.hostDevices",
    "nodeSelector": "nodeSelector",
    "schedulerName": "schedulerName",
}
"""What an instance type may decide, and where that is in an instance: either of the two may say it, not both."""


def apply(instancetype: Object | None, preference: Object | None, template: Object) -> list[str]:
    """Change ``template`` (``metadata`` and ``spec`` of an instance) to what both specs make of it.

    Returns the paths, below ``template``, of what the template says although the instance type decides it; then the
    template is unchanged. An instance type whose vCPUs cannot be spread is not to be applied (``uneven_spread``).
    """
    if instancetype is not None:
        if found := conflicts(instancetype, template):
            return found
        _apply_instancetype(instancetype, preference, template)
    if preference is not None:
        apply_preference(preference, template)
    return []


def conflicts(instancetype: Object, template: Object) -> list[str]:
    """Return the paths, below ``template``, of what it says although the instance type decides it."""
    spec = template["spec"]
    found = [path for path in _OWNED if not is_open(spec, path)]
    found += [mine for theirs, mine in _EITHER.items() if _says(instancetype, theirs) and not is_open(spec, mine)]
    own = template.get("metadata", {}).get("annotations", {})
    annotations = [name for name, value in _annotations(instancetype).items() if own.get(name, value) != value]
    return [*(f"spec.{path}" for path in found), *(f"metadata.annotations[{name}]" for name in annotations)]


def _apply_instancetype(instancetype: Object, preference: Object | None, template: Object) -> None:
    spec = template["spec"]
    for theirs, mine in _EITHER.items():
        if _says(instancetype, theirs):
            put(spec, mine, field(instancetype, theirs))
    if not is_open(instancetype, "cpu.maxSockets"):
        put(spec, "domain.cpu.maxSockets", instancetype["cpu"]["maxSockets"])
    for name, count in guest_topology(instancetype["cpu"]["guest"], preference).items():
        put(spec, f"domain.cpu.{name}", count)
    memory = instancetype["memory"]
    put(spec, "domain.memory.guest", memory["guest"])
    if percent := memory.get("overcommitPercent"):
        requested = parse(memory["guest"]) * (100 - percent) / Decimal(100)
        put(spec, "domain.resources.requests.memory", format_bytes(int(requested)))
    if added := _annotations(instancetype):
        template.setdefault("metadata", {}).setdefault("annotations", {}).update(added)


def _says(instancetype: Object, path: str) -> bool:
    return field(instancetype, path) not in (None, "", [])


def _annotations(instancetype: Object) -> dict[str, str]:
    return instancetype.get("annotations") or {}
