"""The rules of an instance's spec that no schema can express: one function a rule, one module a subject.

A rule takes the spec and its path (``spec``, or ``spec.template.spec`` in a VirtualMachine) and yields what breaks it.
It counts on the schema for types, and must hold for a spec before and after defaults were filled in. ``RULES`` of a
module know the spec alone; its ``CONFIGURED`` take the configuration of the system, too, as those of features behind a
gate do (``gates.gate_errors``). ``OF_INSTANCES`` are for instances alone, not for templates of them.
Source: KubeVirt's admission webhooks (``pkg/virt-api/webhooks/validating-webhook/admitters``).
"""

from collections.abc import Callable, Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.validation import (
    affinity,
    arm64,
    blocksize,
    boot,
    clock,
    cloudinit,
    cpu,
    credentials,
    dedicated,
    devices,
    dhcp,
    disks,
    dns,
    features,
    filesystems,
    hostdevices,
    interfaces,
    machine,
    memory,
    networks,
    placement,
    ports,
    probes,
    security,
    text,
    volumes,
)
from kube.configuration import Configuration

_RULES: tuple[Callable[[Object, str], Iterator[FieldError]], ...] = (
    *placement.RULES,
    *affinity.RULES,
    *text.RULES,
    *memory.RULES,
    *cpu.RULES,
    *dedicated.RULES,
    *machine.RULES,
    *features.RULES,
    *boot.RULES,
    *clock.RULES,
    *devices.RULES,
    *hostdevices.RULES,
    *arm64.RULES,
    *disks.RULES,
    *blocksize.RULES,
    *filesystems.RULES,
    *volumes.RULES,
    *cloudinit.RULES,
    *networks.RULES,
    *interfaces.RULES,
    *ports.RULES,
    *dhcp.RULES,
    *dns.RULES,
    *probes.RULES,
    *credentials.RULES,
)
_CONFIGURED: tuple[Callable[[Object, str, Configuration], Iterator[FieldError]], ...] = (
    *memory.CONFIGURED,
    *dedicated.CONFIGURED,
    *machine.CONFIGURED,
    *security.CONFIGURED,
    *devices.CONFIGURED,
    *hostdevices.CONFIGURED,
    *disks.CONFIGURED,
    *filesystems.CONFIGURED,
    *volumes.CONFIGURED,
    *networks.CONFIGURED,
    *interfaces.CONFIGURED,
    *ports.CONFIGURED,
)
_OF_INSTANCES = (*memory.OF_INSTANCES, *features.OF_INSTANCES)


def validate_spec(spec: Object, path: str, configuration: Configuration) -> Iterator[FieldError]:
    """Yield everything wrong with an instance's ``spec`` at ``path``, in a system that is configured so."""
    for rule in _RULES:
        yield from rule(spec, path)
    for rule in _CONFIGURED:
        yield from rule(spec, path, configuration)


def instance_errors(spec: Object, path: str) -> Iterator[FieldError]:
    """Yield what is wrong with an instance beyond ``validate_spec``; as a template KubeVirt lets it pass."""
    for rule in _OF_INSTANCES:
        yield from rule(spec, path)
