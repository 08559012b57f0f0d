"""The sizes of blocks that a disk tells the guest."""

from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.validation.disks import bus_of, listed_disks
from apiserver.resources.virtualmachineinstance.validation.values import switched_on

SMALLEST, LARGEST = 512, 2 * 2**20
"""Bytes; KubeVirt's limits."""


def block_sizes(spec: Object, path: str) -> Iterator[FieldError]:
    """Sizes are the volume's own or chosen, and chosen ones fit together."""
    disks, field = listed_disks(spec, path)
    for i, disk in enumerate(disks):
        asked = disk.get("blockSize", {})
        at = f"{field}[{i}].blockSize"
        if "custom" not in asked:
            continue
        if switched_on(asked.get("matchVolume")):
            yield FieldError.forbidden(at, "custom and matchVolume exclude each other; remove one")
        else:
            yield from _custom(asked["custom"], bus_of(disk), f"{at}.custom")


def _custom(custom: Object, bus: str, path: str) -> Iterator[FieldError]:
    sizes = {name: custom.get(name, 0) for name in ("logical", "physical")}
    wrong = [name for name, size in sizes.items() if not _is_possible(size)]
    for name in wrong:
        detail = f"must be a power of two from {SMALLEST} to {LARGEST} bytes"
        yield FieldError.invalid(f"{path}.{name}", sizes[name], detail)
    if wrong:
        return
    logical, granularity = sizes["logical"], custom.get("discardGranularity")
    if logical > sizes["physical"]:
        yield FieldError.invalid(f"{path}.logical", logical, f"must be at most the physical size, {sizes['physical']}")
    elif bus == "sata" and logical != SMALLEST:
        detail = f"a SATA disk has logical blocks of {SMALLEST} bytes; use that, or set bus to virtio or scsi"
        yield FieldError.invalid(f"{path}.logical", logical, detail)
    if granularity is not None and granularity % logical:
        detail = f"must be a multiple of the logical size, {logical}"
        yield FieldError.invalid(f"{path}.discardGranularity", granularity, detail)


def _is_possible(size: int) -> bool:
    return SMALLEST <= size <= LARGEST and size & (size - 1) == 0


RULES = (block_sizes,)
