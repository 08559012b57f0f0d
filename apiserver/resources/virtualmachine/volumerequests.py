"""Volumes that are to be plugged into a machine's running guest, and out of it.

Source: KubeVirt's ``vms-admitter.go``.
"""

from collections import Counter
from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object, Stored
from apiserver.resources.virtualmachineinstance.updates import plugged_disk_errors

_ADD, _REMOVE = "addVolumeOptions", "removeVolumeOptions"
_SOURCES = ("persistentVolumeClaim", "dataVolume")
_INSTANCES = "virtualmachineinstances.kubevirt.io"


def validate_volume_requests(machine: Object, old: Object, stored: Stored) -> Iterator[FieldError]:
    """Yield everything wrong with ``status.volumeRequests`` of a machine, where they have changed."""
    requests = machine.get("status", {}).get("volumeRequests", [])
    if not requests or requests == old.get("status", {}).get("volumeRequests"):
        return
    metadata = machine["metadata"]
    instance = stored.one(_INSTANCES, metadata.get("namespace", ""), metadata["name"])
    if instance is not None and _is_moving(instance):
        yield FieldError.forbidden("status.volumeRequests", "the guest is moving to another node; try again afterwards")
    present = [machine["spec"]["template"]["spec"], *([instance["spec"]] if instance is not None else [])]
    seen: Counter[tuple[str, str]] = Counter()
    for i, request in enumerate(requests):
        field = f"status.volumeRequests[{i}]"
        given = [kind for kind in (_ADD, _REMOVE) if kind in request]
        if len(given) != 1:
            yield FieldError.invalid(field, sorted(request), f"needs either {_ADD} or {_REMOVE}")
            continue
        (kind,) = given
        options = request[kind]
        if seen[kind, options["name"]]:
            yield FieldError.duplicate(f"{field}.{kind}.name", options["name"])
        seen[kind, options["name"]] += 1
        if kind == _ADD:
            yield from _addition(options, present, f"{field}.{kind}")


def _addition(options: Object, present: list[Object], field: str) -> Iterator[FieldError]:
    """What is added has a disk that can be plugged in, and is not there in another form."""
    if "disk" not in options:
        yield FieldError.required(f"{field}.disk", "say how the guest sees the volume")
    else:
        yield from plugged_disk_errors(options["disk"], f"{field}.disk")
    name, source = options["name"], options.get("volumeSource", {})
    wanted = {"name": name, **{kind: source[kind] for kind in _SOURCES if kind in source}}
    if any(volume["name"] == name and volume != wanted for spec in present for volume in spec.get("volumes", ())):
        yield FieldError.invalid(f"{field}.name", name, "there is another volume of this name; choose another name")


def _is_moving(instance: Object) -> bool:
    state = instance.get("status", {}).get("migrationState", {})
    return bool(state.get("startTimestamp")) and not state.get("completed") and not state.get("failed")
