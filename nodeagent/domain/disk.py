"""``<disk>``: a prepared volume as the guest's disk or CD-ROM."""

from collections import Counter
from typing import Any
from xml.etree.ElementTree import Element

from nodeagent.domain.address import pci_address
from nodeagent.domain.alias import disk_alias
from nodeagent.domain.boot import boot, in_boot_order
from nodeagent.domain.element import element
from nodeagent.domain.facts import UnsupportedError
from nodeagent.domain.machine import Machine
from nodeagent.domain.spec import section
from nodeagent.volumes.prepared import PreparedDisk, PreparedVolumes

_PREFIX = {"virtio": "vd", "sata": "sd", "scsi": "sd", "usb": "sd"}
_LETTERS = 26


def disks(devices: dict[str, Any], prepared: PreparedVolumes, *, machine: Machine, vcpus: int) -> list[Element]:
    """Return ``<disk>`` for each disk that has a volume, in the spec's order.

    Raises:
        UnsupportedError: A disk is of a kind, on a bus, or driven in a way that cannot be provided.
    """
    queues = vcpus if devices.get("blockMultiQueue") else None
    interfaces = {interface["name"] for interface in devices.get("interfaces") or []}
    used: Counter[str] = Counter()
    found: list[Element] = []
    for index, spec in enumerate(in_boot_order(devices)):
        volume = prepared.disks.get(spec["name"])
        if volume is not None:
            field = f"domain.devices.disks[{index}]"
            bus = _bus(spec, machine, field)
            target = _target(spec, bus, used[_PREFIX[bus]])
            used[_PREFIX[bus]] += 1
            model, disk_queues = (machine.virtio, queues) if bus == "virtio" else (None, None)
            driver = _driver(spec, volume, queues=disk_queues, field=field)
            name = disk_alias(spec["name"], interfaces)
            found.append(_disk(spec, volume, driver, target, name, model=model, field=field))
    return found


def _disk(
    spec: dict[str, Any],
    volume: PreparedDisk,
    driver: Element,
    target: Element,
    name: Element,
    *,
    model: str | None,
    field: str,
) -> Element:
    kind, device = _kind(spec), _device(spec)
    return element(
        "disk",
        driver,
        element("source", file=str(volume.path)),
        target,
        element("serial", text=spec["serial"]) if spec.get("serial") else None,
        element("readonly") if _is_readonly(spec, volume, target.get("bus"), field) else None,
        element("shareable") if spec.get("shareable") else None,
        boot(spec),
        name,
        pci_address(device.get("pciAddress"), f"{field}.{kind}.pciAddress"),
        type="file",
        device=kind,
        model=model,
    )


def _is_readonly(spec: dict[str, Any], volume: PreparedDisk, bus: str | None, field: str) -> bool:
    """Tell whether the guest may only read. QEMU has no such SATA disk: a seed on one is left writable, as in KubeVirt.

    The file behind it is the instance's own, so nobody else is hurt.
    """
    if _kind(spec) == "cdrom":
        return True
    if bus != "sata":
        return volume.readonly or bool(_device(spec).get("readonly"))
    if _device(spec).get("readonly"):
        raise UnsupportedError(f"{field}.disk.readonly", "a SATA disk is always writable; use virtio, SCSI or a cdrom")
    return False


def _kind(spec: dict[str, Any]) -> str:
    """Return what the guest sees, by libvirt's name, which is also the spec's."""
    return "disk" if spec.get("cdrom") is None else "cdrom"


def _device(spec: dict[str, Any]) -> dict[str, Any]:
    return section(spec, _kind(spec))


def _bus(spec: dict[str, Any], machine: Machine, field: str) -> str:
    """Return the bus, by default KubeVirt's, except that a CD-ROM is SCSI where there is no SATA: virtio has none."""
    if spec.get("lun") is not None:
        raise UnsupportedError(f"{field}.lun", "a volume that is a file has no SCSI commands to pass on; use disk")
    kind = _kind(spec)
    default = "sata" if machine.is_x86 else "scsi" if kind == "cdrom" else "virtio"
    bus = _device(spec).get("bus") or default
    if bus not in _PREFIX:
        raise UnsupportedError(f"{field}.{kind}.bus", f"{bus} is not a bus of this node; use {', '.join(_PREFIX)}")
    return bus


def _driver(spec: dict[str, Any], volume: PreparedDisk, *, queues: int | None, field: str) -> Element:
    """Return ``<driver>``. Native I/O and sharing both work only past the host's page cache."""
    uncached = spec.get("io") == "native" or bool(spec.get("shareable"))
    cache = spec.get("cache") or ("none" if uncached else None)
    if uncached and cache != "none":
        raise UnsupportedError(f"{field}.cache", f"native I/O and shareable disks need the cache none, not {cache}")
    if spec.get("shareable") and volume.format != "raw":
        raise UnsupportedError(f"{field}.shareable", f"only raw disks can be shared, and this one is {volume.format}")
    return element(
        "driver",
        name="qemu",
        type=volume.format,
        cache=cache,
        error_policy=spec.get("errorPolicy") or "stop",
        io=spec.get("io") or None,
        discard="unmap" if _kind(spec) == "disk" else None,
        queues=queues,
    )


def _target(spec: dict[str, Any], bus: str, index: int) -> Element:
    tray = _device(spec).get("tray") if _kind(spec) == "cdrom" else None
    return element("target", dev=device_name(_PREFIX[bus], index), bus=bus, tray=tray)


def device_name(prefix: str, index: int) -> str:
    """Return the name of the device with ``index``: vda to vdz, then vdaa."""
    letters = ""
    rest = index + 1
    while rest:
        rest, letter = divmod(rest - 1, _LETTERS)
        letters = chr(ord("a") + letter) + letters
    return prefix + letters
