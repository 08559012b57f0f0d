"""The board, and how QEMU runs it."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.gates import gate_errors
from apiserver.resources.virtualmachineinstance.defaults.machine import AMD64
from apiserver.resources.virtualmachineinstance.validation.values import one_of
from kube.configuration import Configuration

REBOOT_POLICIES = ("Reboot", "Terminate")
IO_THREADS = ("shared", "auto", "supplementalPool")


def machine_type(spec: Object, path: str, configuration: Configuration) -> Iterator[FieldError]:
    """The board is one that the configuration allows for the architecture."""
    found = spec["domain"].get("machine", {}).get("type")
    allowed = configuration.emulated_machines(spec.get("architecture") or AMD64)
    if found and not any(fnmatchcase(found, pattern) for pattern in allowed):
        detail = f"must match one of the emulatedMachines of the KubeVirt object: {', '.join(allowed)}"
        yield FieldError.invalid(f"{path}.domain.machine.type", found, detail)


def io_threads(spec: Object, path: str) -> Iterator[FieldError]:
    """Threads for disks are handed out in a way that there is, and a pool has some."""
    domain, field = spec["domain"], f"{path}.domain.ioThreads.supplementalPoolThreadCount"
    policy = domain.get("ioThreadsPolicy")
    count = domain.get("ioThreads", {}).get("supplementalPoolThreadCount", 0)
    if policy is not None and policy not in IO_THREADS:
        yield FieldError.not_supported(f"{path}.domain.ioThreadsPolicy", policy, IO_THREADS)
    if policy == "supplementalPool" and count < 1:
        yield FieldError.invalid(field, count, "must be at least 1 with ioThreadsPolicy supplementalPool")
    elif count < 0:
        yield FieldError.invalid(field, count, "must not be negative")


def reboots(spec: Object, path: str, configuration: Configuration) -> Iterator[FieldError]:
    """What a reboot does can be chosen while the gate is on."""
    if "rebootPolicy" in spec["domain"]:
        field = f"{path}.domain.rebootPolicy"
        yield from gate_errors(configuration, "RebootPolicy", field)
        yield from one_of(spec["domain"], "rebootPolicy", REBOOT_POLICIES, f"{path}.domain")


RULES = (io_threads,)
CONFIGURED = (machine_type, reboots)
