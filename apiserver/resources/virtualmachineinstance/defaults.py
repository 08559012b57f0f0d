"""What a VirtualMachineInstance's spec leaves open, filled in once, when it is created.

Source: KubeVirt's defaults (``pkg/defaults``) and its mutating webhook for instances. Every function changes the spec
in place, keeps what is set, and changes nothing when it runs again.
"""

import platform
import uuid
from collections.abc import Callable

from apiserver.machinery.resource import Object

AMD64, ARM64, S390X = "amd64", "arm64", "s390x"
ARCHITECTURES = (AMD64, ARM64, S390X)
_NATIVE = {"aarch64": ARM64, "s390x": S390X}.get(platform.machine(), AMD64)
"""The hosts' architecture. The server cannot ask all nodes, so it takes them for machines like its own."""
_MACHINE_TYPES = {AMD64: "q35", ARM64: "virt", S390X: "s390-ccw-virtio"}
_CPU_MODELS = {ARM64: "host-passthrough"}
_DRIVES = ("disk", "cdrom", "lun")
_SWITCHES = {"acpi", "apic", "smm", "pvspinlock"}
"""The features that are on when they are mentioned."""


def fill_machine(spec: Object) -> None:
    """Choose the architecture and its machine type."""
    architecture = spec.setdefault("architecture", _NATIVE)
    machine = spec["domain"].setdefault("machine", {})
    if not machine.get("type"):
        machine["type"] = _MACHINE_TYPES.get(architecture, _MACHINE_TYPES[AMD64])


def fill_instance(spec: Object) -> None:
    """Fill in everything."""
    for fill in _IN_ORDER:
        fill(spec)


def _resources(spec: Object) -> None:
    domain = spec["domain"]
    given = domain.get("resources", {})
    requests, limits = dict(given.get("requests", {})), given.get("limits", {})
    if "cpu" in limits:
        requests.setdefault("cpu", limits["cpu"])
    memory = domain.get("memory", {})
    guest = memory.get("guest", requests.get("memory", limits.get("memory")))
    if guest is not None:
        domain["memory"] = {**memory, "guest": guest}
        requests.setdefault("memory", guest)
    if requests:
        domain["resources"] = {**given, "requests": requests}


def _cpu(spec: Object) -> None:
    cpu = spec["domain"].setdefault("cpu", {})
    for count in ("sockets", "cores", "threads"):
        cpu[count] = cpu.get(count) or 1
    if not cpu.get("model"):
        cpu["model"] = _CPU_MODELS.get(spec["architecture"], "host-model")


def _firmware(spec: Object) -> None:
    firmware = spec["domain"].setdefault("firmware", {})
    if not firmware.get("uuid"):
        firmware["uuid"] = str(uuid.uuid4())
    container = firmware.get("kernelBoot", {}).get("container")
    if container is not None:
        _pull_policy(container)
    features = spec["domain"].get("features", {})
    for name in _SWITCHES & features.keys():
        features[name].setdefault("enabled", True)


def _images(spec: Object) -> None:
    for volume in spec.get("volumes", ()):
        if "containerDisk" in volume:
            _pull_policy(volume["containerDisk"])


def _pull_policy(source: Object) -> None:
    name, _, digest = source.get("image", "").partition("@")
    _, _, tag = name.rpartition("/")[2].partition(":")
    fixed = bool(digest) or tag not in ("", "latest")
    source.setdefault("imagePullPolicy", "IfNotPresent" if fixed else "Always")


def _network(spec: Object) -> None:
    devices = spec["domain"]["devices"]
    attach = devices.get("autoattachPodInterface", True)
    if attach and not devices.get("interfaces") and not spec.get("networks"):
        devices["interfaces"] = [{"name": "default", "masquerade": {}}]
        spec["networks"] = [{"name": "default", "pod": {}}]


def _disks(spec: Object) -> None:
    devices = spec["domain"]["devices"]
    disks = devices.get("disks", [])
    named = {disk["name"] for disk in disks}
    disks = [*disks, *({"name": each["name"]} for each in spec.get("volumes", ()) if each["name"] not in named)]
    bus = "sata" if spec["architecture"] == AMD64 else "virtio"
    for disk in disks:
        if not any(drive in disk for drive in _DRIVES):
            disk["disk"] = {}
        for drive in _DRIVES:
            if drive in disk and not disk[drive].get("bus"):
                disk[drive]["bus"] = bus
        if "cdrom" in disk:
            disk["cdrom"] = {"readonly": True, "tray": "closed", **disk["cdrom"]}
    if disks:
        devices["disks"] = disks


def _other_devices(spec: Object) -> None:
    devices = spec["domain"]["devices"]
    if devices.get("autoattachInputDevice") and not devices.get("inputs"):
        devices["inputs"] = [{"name": "default-0", "type": "tablet"}]
    for each in devices.get("inputs", ()):
        each["bus"] = each.get("bus") or "usb"
    if "watchdog" in devices and spec["architecture"] == AMD64:
        watchdog = devices["watchdog"].setdefault("i6300esb", {})
        watchdog["action"] = watchdog.get("action") or "reset"


_IN_ORDER: tuple[Callable[[Object], None], ...] = (
    fill_machine,  # first: others depend on the architecture
    _resources,
    _cpu,
    _firmware,
    _images,
    _network,
    _disks,
    _other_devices,
)
