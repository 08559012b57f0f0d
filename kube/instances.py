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
