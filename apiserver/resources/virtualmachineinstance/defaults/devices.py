"""Disks, network and other devices."""

from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.defaults.machine import AMD64, S390X
from kube.attachments import DRIVES, add_disks, add_interface
from kube.configuration import Configuration

_WATCHDOGS = {AMD64: "i6300esb", S390X: "diag288"}


def images(spec: Object) -> None:
    """Pull images always that may have changed, and others once."""
    for volume in spec.get("volumes", ()):
        if "containerDisk" in volume:
            _pull_policy(volume["containerDisk"])
    kernel = spec["domain"].get("firmware", {}).get("kernelBoot", {})
    if "container" in kernel:
        _pull_policy(kernel["container"])


def _pull_policy(source: Object) -> None:
    if source.get("imagePullPolicy"):
        return
    name, _, digest = source.get("image", "").partition("@")
    _, _, tag = name.rpartition("/")[2].partition(":")
    fixed = bool(digest) or tag not in ("", "latest")
    source["imagePullPolicy"] = "IfNotPresent" if fixed else "Always"


def network(spec: Object, configuration: Configuration) -> None:
    """Attach a guest that says nothing to the pod network, in the way that the configuration prefers."""
    add_interface(spec, configuration.default_network_interface)


def disks(spec: Object) -> None:
    """Show every volume to the guest, in a drive on a bus."""
    add_disks(spec)
    bus = "sata" if spec["architecture"] == AMD64 else "virtio"
    for disk in spec["domain"]["devices"].get("disks", ()):
        _drive(disk, bus)


def _drive(disk: Object, bus: str) -> None:
    for drive in DRIVES:
        if drive in disk and not disk[drive].get("bus"):
            disk[drive]["bus"] = bus
    if "cdrom" in disk:
        cdrom = disk["cdrom"]
        cdrom.setdefault("readonly", True)
        cdrom["tray"] = cdrom.get("tray") or "closed"
    match = disk.get("blockSize", {}).get("matchVolume")
    if match is not None:
        match.setdefault("enabled", True)


def others(spec: Object) -> None:
    """Complete inputs, the watchdog and displays of virtual GPUs."""
    devices = spec["domain"]["devices"]
    if devices.get("autoattachInputDevice") and not devices.get("inputs"):
        devices["inputs"] = [{"name": "default-0"}]
    for each in devices.get("inputs", ()):
        each["bus"] = each.get("bus") or "usb"
        each["type"] = each.get("type") or "tablet"
    kind = _WATCHDOGS.get(spec["architecture"])
    if kind and "watchdog" in devices:
        watchdog = devices["watchdog"].setdefault(kind, {})
        watchdog["action"] = watchdog.get("action") or "reset"
    for gpu in devices.get("gpus", ()):
        display = gpu.get("virtualGPUOptions", {}).get("display", {})
        if "ramFB" in display:
            display["ramFB"].setdefault("enabled", True)
