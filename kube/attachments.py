"""What a guest is attached to where its spec does not say: the disks of its volumes, and the pod network.

Source: KubeVirt's ``SetDefaultVolumeDisk`` (``pkg/util``) and ``SetDefaultNetworkInterface`` (``pkg/network/vmispec``).
"""

from kube.objects import Object

DRIVES = ("disk", "cdrom", "lun")
"""What a disk can be put into."""


def add_disks(spec: Object) -> None:
    """Give every volume of an instance's ``spec`` a disk, and every disk a drive, in place."""
    devices = spec["domain"].setdefault("devices", {})
    disks = devices.get("disks", [])
    shown = {each["name"] for each in (*disks, *devices.get("filesystems", ()))}
    disks = [*disks, *({"name": each["name"]} for each in spec.get("volumes", ()) if each["name"] not in shown)]
    for disk in disks:
        if not any(drive in disk for drive in DRIVES):
            disk["disk"] = {}
    if disks:
        devices["disks"] = disks


def add_interface(spec: Object, binding: str) -> None:
    """Attach a guest that says nothing to the pod network by ``binding``, in place."""
    devices = spec["domain"].setdefault("devices", {})
    attach = devices.get("autoattachPodInterface", True)
    if attach and not devices.get("interfaces") and not spec.get("networks"):
        devices["interfaces"] = [{"name": "default", binding: {}}]
        spec["networks"] = [{"name": "default", "pod": {}}]
