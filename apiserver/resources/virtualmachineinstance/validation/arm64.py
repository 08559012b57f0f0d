"""What guests of arm64 cannot have."""

from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.validation.devices import architecture_of
from apiserver.resources.virtualmachineinstance.validation.disks import BUSES, listed_disks

ARM64 = "arm64"
DISK_BUSES = ("virtio", "scsi")
CPU_MODEL = "host-passthrough"


def bios(spec: Object, path: str) -> Iterator[FieldError]:
    """It boots by EFI."""
    if architecture_of(spec) == ARM64 and "bios" in spec["domain"].get("firmware", {}).get("bootloader", {}):
        yield FieldError.forbidden(f"{path}.domain.firmware.bootloader.bios", "there is no BIOS on arm64; use efi")


def cpu_model(spec: Object, path: str) -> Iterator[FieldError]:
    """Its CPU is the host's."""
    model = spec["domain"].get("cpu", {}).get("model") or CPU_MODEL
    if architecture_of(spec) == ARM64 and model != CPU_MODEL:
        yield FieldError.not_supported(f"{path}.domain.cpu.model", model, (CPU_MODEL,))


def disk_buses(spec: Object, path: str) -> Iterator[FieldError]:
    """Its boards have no SATA and no USB to boot from."""
    if architecture_of(spec) != ARM64:
        return
    disks, field = listed_disks(spec, path)
    for i, disk in enumerate(disks):
        for kind in (kind for kind in BUSES if kind in disk):
            bus = disk[kind].get("bus")
            # What no architecture has is told by the rule for all.
            if bus in BUSES[kind] and bus not in DISK_BUSES:
                yield FieldError.not_supported(f"{field}[{i}].{kind}.bus", bus, DISK_BUSES)


def sound(spec: Object, path: str) -> Iterator[FieldError]:
    """Its boards have no sound cards."""
    if architecture_of(spec) == ARM64 and "sound" in spec["domain"]["devices"]:
        yield FieldError.forbidden(f"{path}.domain.devices.sound", "there is no sound card on arm64; remove it")


RULES = (bios, cpu_model, disk_buses, sound)
