"""Devices that are neither disks nor interfaces."""

from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.gates import gate_errors
from apiserver.resources.virtualmachineinstance.validation.values import duplicates, one_of
from kube.configuration import Configuration

VIDEO_TYPES = {
    "amd64": ("vga", "cirrus", "virtio", "ramfb", "bochs"),
    "arm64": ("virtio", "ramfb"),
    "s390x": ("virtio",),
}


def inputs(spec: Object, path: str) -> Iterator[FieldError]:
    """Pointers are tablets on a bus that has them."""
    listed = spec["domain"]["devices"].get("inputs", [])
    field = f"{path}.domain.devices.inputs"
    yield from duplicates(listed, field)
    for i, device in enumerate(listed):
        yield from _named(device, f"{field}[{i}]")
        yield from one_of(device, "type", ("tablet",), f"{field}[{i}]")
        yield from one_of(device, "bus", ("usb", "virtio"), f"{field}[{i}]")


def watchdog(spec: Object, path: str) -> Iterator[FieldError]:
    """A watchdog does something that QEMU knows."""
    device = spec["domain"]["devices"].get("watchdog")
    if device is None:
        return
    field = f"{path}.domain.devices.watchdog"
    yield from _named(device, field)
    yield from one_of(device.get("i6300esb", {}), "action", ("poweroff", "reset", "shutdown"), f"{field}.i6300esb")
    if spec.get("architecture", "amd64") != "amd64":
        yield FieldError.forbidden(field, f"there is no i6300esb on {spec['architecture']}; remove the watchdog")


def sound(spec: Object, path: str) -> Iterator[FieldError]:
    """A sound card is one that QEMU has."""
    device = spec["domain"]["devices"].get("sound")
    if device is not None:
        yield from _named(device, f"{path}.domain.devices.sound")
        yield from one_of(device, "model", ("ich9", "ac97"), f"{path}.domain.devices.sound")


def video(spec: Object, path: str) -> Iterator[FieldError]:
    """A graphics card is one that QEMU has, in a guest that has graphics."""
    devices = spec["domain"]["devices"]
    if "video" not in devices:
        return
    types = VIDEO_TYPES.get(spec.get("architecture", "amd64"), ())
    yield from one_of(devices["video"], "type", types, f"{path}.domain.devices.video")
    if devices.get("autoattachGraphicsDevice") is False:
        detail = "there is no graphics card with autoattachGraphicsDevice: false; remove one of the two"
        yield FieldError.forbidden(f"{path}.domain.devices.video", detail)


def vsock(spec: Object, path: str, configuration: Configuration) -> Iterator[FieldError]:
    """A socket between guest and host is behind a gate."""
    if spec["domain"]["devices"].get("autoattachVSOCK"):
        yield from gate_errors(configuration, "VSOCK", f"{path}.domain.devices.autoattachVSOCK")


def _named(device: Object, path: str) -> Iterator[FieldError]:
    if not device["name"]:
        yield FieldError.required(f"{path}.name")


RULES = (inputs, watchdog, sound, video)
CONFIGURED = (vsock,)
