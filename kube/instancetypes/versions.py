"""What older versions of instance types and preferences said, in the words of the newest.

Source: the types of KubeVirt's history (``staging/src/kubevirt.io/api/instancetype``), and how it read them.
"""

from kube.objects import Object

GROUP = "instancetype.kubevirt.io"
NEWEST = "v1beta1"
OLDER_TOPOLOGIES = {"sockets": "preferSockets", "cores": "preferCores", "threads": "preferThreads"}
"""The names of older versions, by those of the newest. These know no others."""
_TOPOLOGIES = {old: new for new, old in OLDER_TOPOLOGIES.items()}
_TOPOLOGY = "preferredCPUTopology"
_USE_EFI, _USE_SECURE_BOOT = "preferredUseEfi", "preferredUseSecureBoot"


def newest(kept: Object) -> Object:
    """Return an instance type or a preference, as a revision keeps it, in the newest version."""
    version = kept.get("apiVersion", "").rpartition("/")[2]
    if version in ("", NEWEST):
        return kept
    spec = preference_from_older(kept["spec"]) if "Preference" in kept.get("kind", "") else kept["spec"]
    return {**kept, "apiVersion": f"{GROUP}/{NEWEST}", "spec": spec}


def preference_from_older(spec: Object) -> Object:
    """Return a preference's spec of an older version as the newest says it. Instance types need no such change."""
    parts = dict(spec)
    if (cpu := spec.get("cpu")) is not None and _TOPOLOGY in cpu:
        parts["cpu"] = {**cpu, _TOPOLOGY: _TOPOLOGIES.get(cpu[_TOPOLOGY], cpu[_TOPOLOGY])}
    firmware = spec.get("firmware", {})
    if firmware.get(_USE_EFI):
        secure = {"secureBoot": firmware[_USE_SECURE_BOOT]} if _USE_SECURE_BOOT in firmware else {}
        kept = {name: value for name, value in firmware.items() if name not in (_USE_EFI, _USE_SECURE_BOOT)}
        parts["firmware"] = {**kept, "preferredEfi": secure}
    return parts
