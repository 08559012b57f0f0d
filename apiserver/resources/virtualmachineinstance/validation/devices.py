"""Devices that are neither disks nor interfaces, nor the node's own."""

from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.gates import gate_errors
from apiserver.resources.virtualmachineinstance.validation.values import duplicates, one_of
from kube.configuration import Configuration

WATCHDOGS = {"amd64": "i6300esb", "s390x": "diag288"}
"""The one that an architecture has; arm64 has none."""
ACTIONS = ("poweroff", "reset", "shutdown")
PANIC_MODELS = ("hyperv", "isa", "pvpanic")
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
        if device["type"] != "tablet":
            yield FieldError.not_supported(f"{field}[{i}].type", device["type"], ("tablet",))
        yield from one_of(device, "bus", ("usb", "virtio"), f"{field}[{i}]")


def watchdog(spec: Object, path: str) -> Iterator[FieldError]:
    """A watchdog is the one that the architecture has, and does something that QEMU knows."""
    device = spec["domain"]["devices"].get("watchdog")
    if device is None:
        return
    field, architecture = f"{path}.domain.devices.watchdog", architecture_of(spec)
    yield from _named(device, field)
    available = WATCHDOGS.get(architecture)
    if available is None:
        yield FieldError.forbidden(field, f"there is no watchdog on {architecture}; remove it")
        return
    for model in WATCHDOGS.values():
        if model in device and model != available:
            detail = f"there is no {model} on {architecture}; use {available}, or remove the watchdog"
            yield FieldError.forbidden(f"{field}.{model}", detail)
    yield from one_of(device.get(available, {}), "action", ACTIONS, f"{field}.{available}")


def sound(spec: Object, path: str) -> Iterator[FieldError]:
    """A sound card is one that QEMU has."""
    device = spec["domain"]["devices"].get("sound")
    if device is not None:
        yield from _named(device, f"{path}.domain.devices.sound")
        yield from one_of(device, "model", ("ich9", "ac97"), f"{path}.domain.devices.sound")


def video(spec: Object, path: str) -> Iterator[FieldError]:
    """A graphics card is one that the architecture has, in a guest that has graphics."""
    devices = spec["domain"]["devices"]
    if "video" not in devices:
        return
    kind, types = devices["video"].get("type", ""), VIDEO_TYPES.get(architecture_of(spec), ())
    if kind not in types:
        yield FieldError.not_supported(f"{path}.domain.devices.video.type", kind, types)
    if devices.get("autoattachGraphicsDevice") is False:
        detail = "there is no graphics card with autoattachGraphicsDevice: false; remove one of the two"
        yield FieldError.forbidden(f"{path}.domain.devices.video", detail)


def panic(spec: Object, path: str) -> Iterator[FieldError]:
    """A device that hears of the guest's panic is one that QEMU has, where it has any."""
    listed = spec["domain"]["devices"].get("panicDevices", [])
    field = f"{path}.domain.devices.panicDevices"
    if listed and architecture_of(spec) == "s390x":
        yield FieldError.forbidden(field, "a guest of s390x has its own way to tell of a panic; remove this field")
    for i, device in enumerate(listed):
        if "model" in device and device["model"] not in PANIC_MODELS:
            yield FieldError.not_supported(f"{field}[{i}].model", device["model"], PANIC_MODELS)


def vsock(spec: Object, path: str, configuration: Configuration) -> Iterator[FieldError]:
    """A socket between guest and host is behind a gate."""
    if spec["domain"]["devices"].get("autoattachVSOCK"):
        yield from gate_errors(configuration, "VSOCK", f"{path}.domain.devices.autoattachVSOCK")


def metrics(spec: Object, path: str, configuration: Configuration) -> Iterator[FieldError]:
    """Telling the guest of its host's load is behind a gate."""
    if "downwardMetrics" in spec["domain"]["devices"]:
        yield from gate_errors(configuration, "DownwardMetrics", f"{path}.domain.devices.downwardMetrics")


def architecture_of(spec: Object) -> str:
    """Return the guest's architecture; KubeVirt's where defaults have not filled it in yet."""
    return spec.get("architecture") or "amd64"


def _named(device: Object, path: str) -> Iterator[FieldError]:
    if not device["name"]:
        yield FieldError.required(f"{path}.name")


RULES = (inputs, watchdog, sound, video, panic)
CONFIGURED = (vsock, metrics)
