"""What may change in the spec of an instance: by its owner nothing, by controllers what can be plugged in and out.

Source: KubeVirt's ``vmi-update-admitter.go`` and ``pkg/storage/admitters/storagehotplug.go``.
"""

from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Object
from apiserver.resources.gates import gate_errors
from apiserver.resources.virtualmachineinstance.validation.values import duplicates
from kube.configuration import Configuration

PLUGGED_SOURCES = ("dataVolume", "persistentVolumeClaim", "memoryDump")
PLUGGED_BUSES = {"disk": ("virtio", "scsi"), "lun": ("scsi",)}
_FIXED = (("cpu", "maxSockets"), ("memory", "maxGuest"))
"""How far a guest may grow is settled when it starts."""


def validate_change(new: Object, old: Object, caller: Caller, configuration: Configuration) -> Iterator[FieldError]:
    """Yield everything wrong with the change of an instance's spec from that of ``old``."""
    spec, before = new["spec"], old["spec"]
    if spec == before:
        return
    if not caller.system or caller.node is not None:
        yield FieldError.forbidden(
            "spec", "an instance cannot be changed; change its VirtualMachine instead, and restart that"
        )
        return
    for part, name in _FIXED:
        most, was = (each["domain"].get(part, {}).get(name) for each in (spec, before))
        if most != was and was is not None:
            yield FieldError.forbidden(f"spec.domain.{part}.{name}", "is settled when the guest starts")
    yield from _utility_volumes(spec, before, configuration)
    yield from _pairs(spec, configuration)
    yield from _volumes(spec, before, old.get("status", {}))


def _utility_volumes(spec: Object, before: Object, configuration: Configuration) -> Iterator[FieldError]:
    """Volumes for the system's own use come and go, and are never those of the guest."""
    listed = spec.get("utilityVolumes", [])
    if not listed:
        return
    closed = [*gate_errors(configuration, "UtilityVolumes", "spec.utilityVolumes")]
    yield from closed
    if closed:
        return
    yield from duplicates(listed, "spec.utilityVolumes")
    guests = {volume["name"] for volume in spec.get("volumes", ())}
    known = {volume["name"]: volume for volume in before.get("utilityVolumes", ())}
    for i, volume in enumerate(listed):
        field = f"spec.utilityVolumes[{i}]"
        if not volume["name"]:
            yield FieldError.required(f"{field}.name")
        if volume["name"] in guests:
            yield FieldError.duplicate(f"{field}.name", volume["name"])
        if not volume.get("claimName"):
            yield FieldError.required(f"{field}.claimName", "name a PersistentVolumeClaim")
        if known.get(volume["name"], volume) != volume:
            yield FieldError.forbidden(field, "cannot change while it is plugged in; remove it first")


def _pairs(spec: Object, configuration: Configuration) -> Iterator[FieldError]:
    """Every volume but a memory dump has one disk or filesystem, and the reverse; only a CD drive may be empty."""
    devices = spec["domain"]["devices"]
    volumes = {each["name"] for each in spec.get("volumes", ()) if "memoryDump" not in each}
    shown = {each["name"] for kind in ("disks", "filesystems") for each in devices.get(kind, ())}
    for i, volume in enumerate(spec.get("volumes", ())):
        if volume["name"] in volumes - shown:
            yield FieldError.invalid(f"spec.volumes[{i}].name", volume["name"], "there is no disk of this name")
    for i, disk in enumerate(devices.get("disks", ())):
        may_be_empty = "cdrom" in disk and configuration.enabled("DeclarativeHotplugVolumes")
        if disk["name"] not in volumes and not may_be_empty:
            field = f"spec.domain.devices.disks[{i}].name"
            yield FieldError.invalid(field, disk["name"], "there is no volume of this name")


def _volumes(spec: Object, before: Object, status: Object) -> Iterator[FieldError]:
    """What the guest started with stays; what is plugged in is a claim, and does not change until it is gone."""
    permanent = _permanent(before, status)
    moving = {each.get("volumeName") for each in status.get("migratedVolumes", ())}
    olds, disks, old_disks = _named(before.get("volumes")), _named(_disks(spec)), _named(_disks(before))
    for i, volume in enumerate(spec.get("volumes", ())):
        name, field = volume["name"], f"spec.volumes[{i}]"
        if name not in olds:
            yield from _plugged(volume, disks.get(name), field)
        elif name not in moving and (volume != olds[name] or disks.get(name) != old_disks.get(name)):
            detail = "the guest started with it" if name in permanent else "unplug it first"
            yield FieldError.forbidden(field, f"neither this volume nor its disk can change: {detail}")
    for name in sorted(permanent - _named(spec.get("volumes")).keys()):
        yield FieldError.forbidden("spec.volumes", f"{name} cannot be unplugged: the guest started with it")


def _plugged(volume: Object, disk: Object | None, field: str) -> Iterator[FieldError]:
    if not any(source in volume for source in PLUGGED_SOURCES):
        detail = f"only {', '.join(PLUGGED_SOURCES)} can be plugged in"
        yield FieldError.invalid(f"{field}.name", volume["name"], detail)
    if "memoryDump" not in volume and disk is not None:
        yield from plugged_disk_errors(disk, f"{field}.name")


def plugged_disk_errors(disk: Object, field: str) -> Iterator[FieldError]:
    """Yield an error at ``field`` for each reason why ``disk`` cannot be plugged into a running guest."""
    name = disk.get("name", "")
    kind = next((kind for kind in PLUGGED_BUSES if kind in disk), None)
    if kind is None:
        yield FieldError.invalid(field, name, "only a disk or a lun can be plugged in")
        return
    bus = disk[kind].get("bus")
    if bus not in PLUGGED_BUSES[kind]:
        detail = f"a {kind} that is plugged in needs bus {' or '.join(PLUGGED_BUSES[kind])}"
        yield FieldError.invalid(field, name, detail)
    elif disk.get("dedicatedIOThread") and bus != "virtio":
        yield FieldError.invalid(field, name, "a disk with dedicatedIOThread that is plugged in needs bus virtio")


def _permanent(before: Object, status: Object) -> set[str]:
    """Return the names of the volumes that the guest started with: all, until the node tells."""
    told = status.get("volumeStatus")
    if told is None:
        return set(_named(before.get("volumes")))
    return {each["name"] for each in told if "hotplugVolume" not in each} & _named(before.get("volumes")).keys()


def _disks(spec: Object) -> list[Object]:
    return spec["domain"]["devices"].get("disks", [])


def _named(items: list[Object] | None) -> dict[str, Object]:
    return {each["name"]: each for each in items or ()}
