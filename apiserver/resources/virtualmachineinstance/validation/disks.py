"""A guest's disks, and that each has a volume."""

import re
from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.validation.values import duplicates, one_of, pci_address_problems

BUSES = {"disk": ("virtio", "sata", "scsi", "usb"), "cdrom": ("sata", "scsi", "usb"), "lun": ("virtio", "sata", "scsi")}
_SERIAL = re.compile(r"[A-Za-z0-9_.+-]{0,256}")


def pairing(spec: Object, path: str) -> Iterator[FieldError]:
    """Every disk has its own name, and a volume of that name."""
    disks, field = _disks(spec, path)
    yield from duplicates(disks, field)
    volumes = {volume["name"] for volume in spec.get("volumes", ())}
    for i, disk in enumerate(disks):
        if disk["name"] not in volumes:
            yield FieldError.invalid(
                f"{field}[{i}].name", disk["name"], f"there is no volume of this name in {path}.volumes"
            )


def drives(spec: Object, path: str) -> Iterator[FieldError]:
    """A disk is in one kind of drive, on a bus that has it."""
    disks, field = _disks(spec, path)
    for i, disk in enumerate(disks):
        kinds = [kind for kind in BUSES if kind in disk]
        if len(kinds) > 1:
            detail = f"{' and '.join(kinds)} exclude each other; a disk is in one drive"
            yield FieldError.forbidden(f"{field}[{i}]", detail)
        for kind in kinds:
            yield from one_of(disk[kind], "bus", BUSES[kind], f"{field}[{i}].{kind}")
        if "lun" in disk:
            detail = "no kind of volume is a device that a guest can have as a LUN; use disk"
            yield FieldError.forbidden(f"{field}[{i}].lun", detail)
        yield from one_of(disk.get("cdrom", {}), "tray", ("open", "closed"), f"{field}[{i}].cdrom")


def places(spec: Object, path: str) -> Iterator[FieldError]:
    """What only some buses can do is not asked of others."""
    disks, field = _disks(spec, path)
    for i, disk in enumerate(disks):
        target = disk.get("disk", {})
        bus = target.get("bus") or "sata"
        if target.get("readonly") and bus == "sata":
            detail = "a SATA disk cannot be read-only; set bus to virtio or scsi, or make it a cdrom"
            yield FieldError.forbidden(f"{field}[{i}].disk.readonly", detail)
        address = f"{field}[{i}].disk.pciAddress"
        yield from pci_address_problems(target.get("pciAddress"), address)
        if target.get("pciAddress") and bus != "virtio":
            yield FieldError.forbidden(address, "only a disk with bus virtio has a PCI address of its own")


def settings(spec: Object, path: str) -> Iterator[FieldError]:
    """How the host reads and writes a disk is a way that QEMU knows."""
    disks, field = _disks(spec, path)
    for i, disk in enumerate(disks):
        yield from one_of(disk, "cache", ("none", "writethrough", "writeback"), f"{field}[{i}]")
        yield from one_of(disk, "io", ("native", "threads"), f"{field}[{i}]")
        yield from one_of(disk, "errorPolicy", ("stop", "ignore", "report", "enospace"), f"{field}[{i}]")
        serial = disk.get("serial", "")
        if not _SERIAL.fullmatch(serial):
            detail = "must have at most 256 letters, digits, '_', '.', '+' and '-'"
            yield FieldError.invalid(f"{field}[{i}].serial", serial, detail)
        if disk.get("shareable") and disk.get("cache", "none") not in ("", "none"):
            detail = "guests that share a disk must not cache it; set cache to none"
            yield FieldError.invalid(f"{field}[{i}].cache", disk["cache"], detail)


def _disks(spec: Object, path: str) -> tuple[list[Object], str]:
    return spec["domain"]["devices"].get("disks", []), f"{path}.domain.devices.disks"


RULES = (pairing, drives, places, settings)
