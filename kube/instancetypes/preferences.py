"""Applying a preference: it fills in what an instance leaves open."""

from collections.abc import Iterable, Mapping
from copy import deepcopy

from kube.instancetypes.fields import field, fill, is_open, put
from kube.objects import Object

_DEVICES = {
    "preferredUseVirtioTransitional": "useVirtioTransitional",
    "preferredBlockMultiQueue": "blockMultiQueue",
    "preferredNetworkInterfaceMultiQueue": "networkInterfaceMultiqueue",
    "preferredRng": "rng",
    "preferredTPM": "tpm",
    "preferredVideoType": "video.type",
}
_AUTOATTACH = {
    "preferredAutoattachGraphicsDevice": "autoattachGraphicsDevice",
    "preferredAutoattachMemBalloon": "autoattachMemBalloon",
    "preferredAutoattachPodInterface": "autoattachPodInterface",
    "preferredAutoattachSerialConsole": "autoattachSerialConsole",
    "preferredAutoattachInputDevice": "autoattachInputDevice",
}
_FEATURES = ("apic", "kvm", "pvspinlock", "smm")
_PLAIN = {
    "machine.preferredMachineType": "domain.machine.type",
    "clock.preferredTimer": "domain.clock.timer",
    "preferredSubdomain": "subdomain",
    "preferredTerminationGracePeriodSeconds": "terminationGracePeriodSeconds",
    "preferredArchitecture": "architecture",
    "preferredLaunchSecurity": "domain.launchSecurity",
}
"""What is filled in as it is, and where."""
_BUSES = {"disk": "preferredDiskBus", "cdrom": "preferredCdromBus", "lun": "preferredLunBus"}
_BINDINGS = ("bridge", "masquerade", "sriov", "slirp", "macvtap", "passt", "passtBinding", "binding")


def apply_preference(preference: Object, template: Object) -> None:
    """Fill in ``template`` (``metadata`` and ``spec`` of an instance) from a preference's spec, in place."""
    spec = template["spec"]
    for theirs, mine in _PLAIN.items():
        # 0 seconds are a choice too, so only what is not there is open.
        if (value := field(preference, theirs)) not in (None, "") and field(spec, mine) in (None, ""):
            put(spec, mine, value)
    _cpu_features(preference, spec)
    _devices(preference.get("devices", {}), spec)
    _features(preference.get("features", {}), spec)
    _firmware(preference.get("firmware", {}), spec)
    _clock_offset(preference, spec)
    if annotations := preference.get("annotations"):
        metadata = template.setdefault("metadata", {})
        metadata["annotations"] = {**annotations, **metadata.get("annotations", {})}


def prefer_attachments(preference: Object, spec: Object) -> None:
    """Fill in what is attached by itself to an instance's ``spec``, before anything is attached by itself."""
    devices = spec["domain"].setdefault("devices", {})
    _fill_absent(preference.get("devices", {}), devices, _AUTOATTACH)


def _fill_absent(preferred: Object, target: Object, places: Mapping[str, str]) -> None:
    """Fill in what is not there at all; a switch that is off was switched off."""
    for theirs, mine in places.items():
        if theirs in preferred and field(target, mine) in (None, ""):
            put(target, mine, preferred[theirs])


def _cpu_features(preference: Object, spec: Object) -> None:
    preferred = field(preference, "cpu.preferredCPUFeatures") or []
    own = field(spec, "domain.cpu.features") or []
    named = {feature["name"] for feature in own}
    if added := [feature for feature in preferred if feature["name"] not in named]:
        put(spec, "domain.cpu.features", [*own, *added])


def _devices(preferred: Object, spec: Object) -> None:
    devices = spec["domain"].setdefault("devices", {})
    _fill_absent(preferred, devices, {**_DEVICES, **_AUTOATTACH})
    if "preferredDisableHotplug" in preferred:
        devices["disableHotplug"] = preferred["preferredDisableHotplug"]
    if "sound" in devices:
        fill(devices, "sound.model", preferred.get("preferredSoundModel"))
    _disks(preferred, devices.get("disks", ()))
    _interfaces(preferred, devices.get("interfaces", ()), spec.get("networks", ()))
    for each in devices.get("inputs", ()):
        fill(each, "bus", preferred.get("preferredInputBus"))
        fill(each, "type", preferred.get("preferredInputType"))
    if model := preferred.get("preferredPanicDeviceModel"):
        panic = devices.setdefault("panicDevices", []) or devices["panicDevices"]
        if not panic:
            panic.append({})
        for each in panic:
            fill(each, "model", model)


def _disks(preferred: Object, disks: Iterable[Object]) -> None:
    for disk in disks:
        if not _BUSES.keys() & disk.keys():
            disk["disk"] = {}
        for drive, bus in _BUSES.items():
            if drive in disk:
                fill(disk, f"{drive}.bus", preferred.get(bus))
        if "disk" in disk:
            fill(disk, "blockSize", preferred.get("preferredDiskBlockSize"))
            fill(disk, "cache", preferred.get("preferredDiskCache"))
            fill(disk, "io", preferred.get("preferredDiskIO"))
            thread = preferred.get("preferredDiskDedicatedIoThread")
            if thread is not None and "dedicatedIOThread" not in disk and disk["disk"].get("bus") == "virtio":
                disk["dedicatedIOThread"] = thread


def _interfaces(preferred: Object, interfaces: Iterable[Object], networks: Iterable[Object]) -> None:
    on_pod_network = {network["name"] for network in networks if "pod" in network}
    masquerade = preferred.get("preferredInterfaceMasquerade")
    for interface in interfaces:
        fill(interface, "model", preferred.get("preferredInterfaceModel"))
        bound = any(binding in interface for binding in _BINDINGS)
        if masquerade is not None and not bound and interface["name"] in on_pod_network:
            interface["masquerade"] = deepcopy(masquerade)


def _features(preferred: Object, spec: Object) -> None:
    domain = spec["domain"]
    if "preferredAcpi" in preferred:
        put(domain, "features.acpi", preferred["preferredAcpi"])
    for name in _FEATURES:
        fill(domain, f"features.{name}", preferred.get(f"preferred{name.capitalize()}"))
    for name, state in (preferred.get("preferredHyperv") or {}).items():
        fill(domain, f"features.hyperv.{name}", state)


def _firmware(preferred: Object, spec: Object) -> None:
    domain, loader = spec["domain"], "firmware.bootloader"
    has_none = not {"bios", "efi"} & (field(domain, loader) or {}).keys()
    efi = preferred.get("preferredEfi")
    if has_none and preferred.get("preferredUseBios"):
        put(domain, f"{loader}.bios", {})
    elif has_none and efi is not None:
        put(domain, f"{loader}.efi", efi)
        return
    elif has_none and preferred.get("preferredUseEfi"):
        put(domain, f"{loader}.efi", {})
    for theirs, kind, mine in (
        ("preferredUseBiosSerial", "bios", "useSerial"),
        ("preferredUseSecureBoot", "efi", "secureBoot"),
    ):
        own = field(domain, f"{loader}.{kind}")
        if own is not None and theirs in preferred:
            own.setdefault(mine, preferred[theirs])


def _clock_offset(preference: Object, spec: Object) -> None:
    offset = field(preference, "clock.preferredClockOffset")
    clock = spec["domain"].get("clock", {})
    # All or nothing: half of one and half of the other is a time that nobody meant.
    if offset is not None and is_open(clock, "utc") and is_open(clock, "timezone"):
        spec["domain"]["clock"] = {**clock, **deepcopy(offset)}
