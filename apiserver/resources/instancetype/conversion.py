"""The older versions of instancetypes and preferences: fewer fields, and other names for some.

Source: the types of KubeVirt's history (``staging/src/kubevirt.io/api/instancetype``), and how it read them.
"""

from apiserver.machinery.conversion import Lossless
from apiserver.machinery.resource import Object
from apiserver.resources.instancetype import GROUP, VERSIONS
from apiserver.resources.versions import spec_conversion, without
from kube.instancetypes.versions import OLDER_TOPOLOGIES, preference_from_older

_TOPOLOGY = "preferredCPUTopology"
_USE_EFI, _USE_SECURE_BOOT, _EFI = "preferredUseEfi", "preferredUseSecureBoot", "preferredEfi"

_NEW_IN_SIZE = ("ioThreads", "nodeSelector", "schedulerName", "annotations")
_NEW_IN_MEMORY = ("maxGuest", "overcommitPercent")
_NEW_IN_PREFERENCE = (
    "requirements",
    "preferredSubdomain",
    "preferredTerminationGracePeriodSeconds",
    "preferredArchitecture",
    "preferredLaunchSecurity",
    "preferSpreadSocketToCoreRatio",
    "annotations",
)
_NEW_IN_DEVICES = ("preferredInterfaceMasquerade", "preferredPanicDeviceModel", "preferredVideoType")


def _size_from_hub(spec: Object) -> Object:
    smaller = without(spec, _NEW_IN_SIZE)
    cpu, memory = without(spec["cpu"], ("maxSockets",)), without(spec["memory"], _NEW_IN_MEMORY)
    return {**smaller, "cpu": cpu, "memory": memory}


def _preference_from_hub(spec: Object) -> Object:
    parts = without(spec, _NEW_IN_PREFERENCE)
    if (cpu := spec.get("cpu")) is not None:
        parts["cpu"] = _older_cpu(cpu)
    if (devices := spec.get("devices")) is not None:
        parts["devices"] = without(devices, _NEW_IN_DEVICES)
    firmware = spec.get("firmware", {})
    if (efi := firmware.get(_EFI)) is not None:
        secure = {_USE_SECURE_BOOT: efi["secureBoot"]} if "secureBoot" in efi else {}
        parts["firmware"] = {**without(firmware, (_EFI, _USE_SECURE_BOOT)), _USE_EFI: True, **secure}
    return parts


def _older_cpu(cpu: Object) -> Object:
    """Name the topology as older versions do; those that they do not know are left out."""
    topology = OLDER_TOPOLOGIES.get(cpu.get(_TOPOLOGY, ""), cpu.get(_TOPOLOGY, ""))
    return {_TOPOLOGY: topology} if topology in OLDER_TOPOLOGIES.values() else {}


def _oldest_preference_from_hub(spec: Object) -> Object:
    return without(_preference_from_hub(spec), ("volumes",))


_HUB = VERSIONS[0]
SIZES: dict[str, Lossless] = {
    version: spec_conversion(GROUP, _HUB, version, to_hub=lambda spec: spec, from_hub=_size_from_hub)
    for version in ("v1alpha2", "v1alpha1")
}
"""The conversions of instancetypes by version."""
PREFERENCES: dict[str, Lossless] = {
    "v1alpha2": spec_conversion(GROUP, _HUB, "v1alpha2", preference_from_older, _preference_from_hub),
    "v1alpha1": spec_conversion(GROUP, _HUB, "v1alpha1", preference_from_older, _oldest_preference_from_hub),
}
"""The conversions of preferences by version."""
