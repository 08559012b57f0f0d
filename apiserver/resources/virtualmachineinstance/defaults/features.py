"""What the board and the hypervisor offer beyond devices: on where it is mentioned, with what it needs."""

from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.defaults.machine import S390X

_SPINLOCK_RETRIES = 4096
_SWITCHES = ("acpi", "apic", "smm", "pvspinlock")
_PARTS = ("direct", "extended")
"""Switches of their own within a feature of Hyper-V's."""
HYPERV_NEEDS = (
    ("evmcs", "vapic"),
    ("ipi", "vpindex"),
    ("tlbflush", "vpindex"),
    ("synictimer", "synic"),
    ("synic", "vpindex"),
)
"""Which feature of Hyper-V's needs which other one. What follows from an earlier line comes later."""
NESTED_NEEDS = ("vmx", "require")
"""The CPU feature that ``evmcs`` needs, and its policy."""


def states(spec: Object) -> None:
    """Switch on what is mentioned, and ACPI in any case where there is such a thing."""
    features = spec["domain"].setdefault("features", {})
    features.setdefault("acpi", {}).setdefault("enabled", spec["architecture"] != S390X)
    for name in _SWITCHES:
        if name in features:
            features[name].setdefault("enabled", True)
    for feature in features.get("hyperv", {}).values():
        feature.setdefault("enabled", True)
        for part in _PARTS:
            if part in feature:
                feature[part].setdefault("enabled", True)
    spinlocks = features.get("hyperv", {}).get("spinlocks")
    if spinlocks is not None and spinlocks["enabled"]:
        spinlocks.setdefault("spinlocks", _SPINLOCK_RETRIES)


def timers(spec: Object) -> None:
    """Give the guest the timers that are mentioned."""
    for timer in spec["domain"].get("clock", {}).get("timer", {}).values():
        timer.setdefault("present", True)


def hyperv(spec: Object) -> None:
    """Switch on what features of Hyper-V's need, unless it is off on purpose (which validation refuses)."""
    domain = spec["domain"]
    features = domain["features"].get("hyperv", {})
    for feature, needed in HYPERV_NEEDS:
        if features.get(feature, {}).get("enabled"):
            features.setdefault(needed, {"enabled": True})
    if features.get("evmcs", {}).get("enabled"):
        name, policy = NESTED_NEEDS
        listed = domain.setdefault("cpu", {}).setdefault("features", [])
        found = next((each for each in listed if each["name"] == name), None)
        if found is None:
            listed.append({"name": name, "policy": policy})
        else:
            found["policy"] = policy
