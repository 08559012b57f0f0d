"""What a VirtualMachineInstance's spec leaves open, filled in once, when it is created: one module a subject.

Every function changes the spec in place, keeps what is set, and changes nothing when it runs again.
Source: KubeVirt's defaults (``pkg/defaults``) and its mutating webhook for instances.
"""

from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.defaults import compute, devices, features, lifecycle, machine
from kube.configuration import Configuration

__all__ = ["fill_instance", "fill_machine"]

fill_machine = machine.fill_machine


def fill_instance(spec: Object, configuration: Configuration) -> None:
    """Fill in everything, as the system is configured."""
    fill_machine(spec, configuration)  # first: others depend on the architecture
    compute.requests(spec, configuration)
    compute.guest_memory(spec)
    compute.topology(spec)
    lifecycle.eviction_strategy(spec, configuration)
    lifecycle.probes(spec)
    devices.images(spec)
    devices.network(spec, configuration)
    devices.disks(spec)
    devices.others(spec)
    features.states(spec)
    features.timers(spec)
    features.hyperv(spec)  # after the states: what is on needs what else is on
    machine.firmware(spec)
    compute.model(spec, configuration)
    compute.hotplug(spec, configuration)  # last: it depends on memory and processors
