"""A guest's disks, and that each has a volume."""

import re
from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.gates import gate_errors
from apiserver.resources.virtualmachineinstance.validation.values import duplicates, one_of, pci_address_problems
from kube.configuration import Configuration
from kube.names import label_problem

BUSES = {
    "disk": ("virtio", "sata", "scsi", "usb"),
    "cdrom": ("sata", "scsi", "usb"),
    "lun": ("virtio", "sata", "scsi", "usb"),
}
"""By the kind of drive."""
ERROR_POLICIES = ("stop", "ignore", "report", "enospace")
_SERIAL = re.compile(r"[A-Za-z0-9_.+-]{0,256}")


def pairing(spec: Object, path: str, configuration: Configuration) -> Iterator[FieldError]:
    """Every disk has its own name, and a volume of that name; only a CD-ROM may be empty."""
    disks, field = listed_disks(spec, path)
    yield from duplicates(disks, field)
    volumes = volumes_by_name(spec)
    for i, disk in enumerate(disks):
        name = disk["name"]
        if name in volumes:
            continue
        at = f"{field}[{i}].name"
        if problem := label_problem(name):
            yield FieldError.invalid(at, name, problem)
        elif "cdrom" in disk:
            yield from gate_errors(configuration, "DeclarativeHotplugVolumes", f"{field}[{i}].cdrom")
        else:
            yield FieldError.invalid(at, name, f"there is no volume of this name in {path}.volumes")


def drives(spec: Object, path: str) -> Iterator[FieldError]:
    """A disk is in one kind of drive, on a bus that has it."""
    disks, field = listed_disks(spec, path)
    for i, disk in enumerate(disks):
        kinds = [kind for kind in BUSES if kind in disk]
        if len(kinds) > 1:
            detail = f"{' and '.join(kinds)} exclude each other; a disk is in one drive"
            yield FieldError.forbidden(f"{field}[{i}]", detail)
        for kind in kinds:
            yield from one_of(disk[kind], "bus", BUSES[kind], f"{field}[{i}].{kind}")
        yield from one_of(disk.get("cdrom", {}), "tray", ("open", "closed"), f"{field}[{i}].cdrom")


def luns(spec: Object, path: str) -> Iterator[FieldError]:
    """A LUN takes the guest's SCSI commands, which no file can: it is a claim's device."""
    disks, field = listed_disks(spec, path)
    volumes = volumes_by_name(spec)
    for i, disk in enumerate(disks):
        volume = volumes.get(disk["name"])
        if "lun" in disk and volume is not None and not is_claim(volume):
            detail = "only a persistentVolumeClaim or dataVolume can be a LUN; use disk, or another volume"
            yield FieldError.forbidden(f"{field}[{i}].lun", detail)


def reservations(spec: Object, path: str, configuration: Configuration) -> Iterator[FieldError]:
    """A LUN is reserved for one guest only where the administrator permits it."""
    disks, field = listed_disks(spec, path)
    for i, disk in enumerate(disks):
        if disk.get("lun", {}).get("reservation") and not configuration.persistent_reservation:
            detail = (
                "persistent reservations are off; set persistentReservationConfiguration.enabled in the KubeVirt "
                "object's spec.configuration, or remove this field"
            )
            yield FieldError.forbidden(f"{field}[{i}].lun.reservation", detail)


def metrics(spec: Object, path: str) -> Iterator[FieldError]:
    """The disk of downwardMetrics is a plain one, which tools in the guest look for among the virtio disks."""
    disks, field = listed_disks(spec, path)
    volumes = volumes_by_name(spec)
    for i, disk in enumerate(disks):
        if "downwardMetrics" not in volumes.get(disk["name"], {}):
            continue
        if "cdrom" in disk or "lun" in disk:
            yield FieldError.required(f"{field}[{i}].disk", "a downwardMetrics volume is shown as a disk; use disk: {}")
        elif (bus := disk.get("disk", {}).get("bus")) not in (None, "", "virtio"):
            yield FieldError.not_supported(f"{field}[{i}].disk.bus", bus, ("virtio",))


def places(spec: Object, path: str) -> Iterator[FieldError]:
    """What only some buses can do is not asked of others; which bus is meant by none, defaults decide."""
    disks, field = listed_disks(spec, path)
    for i, disk in enumerate(disks):
        target, bus = disk.get("disk", {}), bus_of(disk)
        if target.get("readonly") and bus == "sata":
            detail = "a SATA disk cannot be read-only; set bus to virtio or scsi, or make it a cdrom"
            yield FieldError.forbidden(f"{field}[{i}].disk.readonly", detail)
        if disk.get("dedicatedIOThread") and bus not in ("", "virtio", "scsi"):
            detail = f"a disk with bus {bus} has no thread of its own; set bus to virtio, or remove this field"
            yield FieldError.forbidden(f"{field}[{i}].dedicatedIOThread", detail)
        if not target.get("pciAddress"):
            continue
        address = f"{field}[{i}].disk.pciAddress"
        yield from pci_address_problems(target["pciAddress"], address)
        if bus != "virtio":
            yield FieldError.forbidden(address, "only a disk with bus virtio has a PCI address of its own")


def settings(spec: Object, path: str) -> Iterator[FieldError]:
    """How the host reads and writes a disk is a way that QEMU knows."""
    disks, field = listed_disks(spec, path)
    for i, disk in enumerate(disks):
        yield from one_of(disk, "cache", ("none", "writethrough", "writeback"), f"{field}[{i}]")
        yield from one_of(disk, "io", ("native", "threads"), f"{field}[{i}]")
        yield from one_of(disk, "errorPolicy", ERROR_POLICIES, f"{field}[{i}]", empty=False)
        serial = disk.get("serial", "")
        if not _SERIAL.fullmatch(serial):
            detail = "must have at most 256 letters, digits, '_', '.', '+' and '-'"
            yield FieldError.invalid(f"{field}[{i}].serial", serial, detail)
        if disk.get("shareable") and disk.get("cache", "none") not in ("", "none"):
            detail = "guests that share a disk must not cache it; set cache to none"
            yield FieldError.invalid(f"{field}[{i}].cache", disk["cache"], detail)


def listed_disks(spec: Object, path: str) -> tuple[list[Object], str]:
    """Return the disks of ``spec`` and the path of their list."""
    return spec["domain"]["devices"].get("disks", []), f"{path}.domain.devices.disks"


def volumes_by_name(spec: Object) -> dict[str, Object]:
    """Return the volumes of ``spec``."""
    return {volume["name"]: volume for volume in spec.get("volumes", ())}


def is_claim(volume: Object) -> bool:
    """Return True when what is in the volume is a PersistentVolumeClaim's, now or when its DataVolume is there."""
    return "persistentVolumeClaim" in volume or "dataVolume" in volume


def bus_of(disk: Object) -> str:
    """Return the bus that is asked for; empty where that is left to defaults."""
    return next((disk[kind].get("bus") or "" for kind in BUSES if kind in disk), "")


RULES = (drives, luns, metrics, places, settings)
CONFIGURED = (pairing, reservations)
