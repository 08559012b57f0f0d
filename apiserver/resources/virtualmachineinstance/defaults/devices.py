"""Disks, network and other devices."""

from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.defaults.machine import AMD64, S390X
from kube.configuration import Configuration

_DRIVES = ("disk", "cdrom", "lun")
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
    devices = spec["domain"]["devices"]
    attach = devices.get("autoattachPodInterface", True)
    if attach and not devices.get("interfaces") and not spec.get("networks"):
        devices["interfaces"] = [{"name": "default", configuration.default_network_interface: {}}]
        spec["networks"] = [{"name": "default", "pod": {}}]


def disks(spec: Object) -> None:
    """Show every volume to the guest, in a drive on a bus."""
    devices = spec["domain"]["devices"]
    listed = devices.get("disks", [])
    shown = {each["name"] for each in (*listed, *devices.get("filesystems", ()))}
    listed = [*listed, *({"name": each["name"]} for each in spec.get("volumes", ()) if each["name"] not in shown)]
    bus = "sata" if spec["architecture"] == AMD64 else "virtio"
    for disk in listed:
        _drive(disk, bus)
    if listed:
        devices["disks"] = listed


def _drive(disk: Object, bus: str) -> None:
    if not any(drive in disk for drive in _DRIVES):
        disk["disk"] = {}
    for drive in _DRIVES:
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
