"""VirtualMachineInstances as controllers and agents agree on them: who holds one, has it ended, where it runs."""

from kube.objects import Object

INSTANCE_FINALIZER = "kubevirt.io/foregroundDeleteVirtualMachine"
"""On an instance until its domain is gone."""
MACHINE_FINALIZER = "kubevirt.io/virtualMachineControllerFinalize"
"""On a machine until its instance is gone, and on that instance until its end is recorded."""


def is_final(instance: Object) -> bool:
    """Return True when the guest has ended for good."""
    return phase_of(instance) in ("Succeeded", "Failed")


def phase_of(instance: Object) -> str:
    """Return the phase; unset is the empty string."""
    return instance.get("status", {}).get("phase", "")


def node_of(instance: Object) -> str:
    """Return the node that the instance is bound to, or the empty string."""
    return instance.get("status", {}).get("nodeName", "")


def secret_names(instance: Object) -> set[str]:
    """Return the names of all Secrets that a VirtualMachineInstance's spec mentions."""
    spec = instance.get("spec", {})
    names: set[str] = set()
    for volume in spec.get("volumes", ()):
        for source in volume.values():
            if isinstance(source, dict):
                names |= {source[key]["name"] for key in ("secretRef", "networkDataSecretRef") if key in source}
                names |= {source[key] for key in ("imagePullSecret", "secretName") if key in source}
    kernel = spec.get("domain", {}).get("firmware", {}).get("kernelBoot", {}).get("container", {})
    return names | ({kernel["imagePullSecret"]} if "imagePullSecret" in kernel else set())
