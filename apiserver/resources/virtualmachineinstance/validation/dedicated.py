"""CPUs of a host that belong to one guest alone, and what is built on them: NUMA and realtime."""

import re
from collections.abc import Iterator
from math import ceil, prod
from typing import Any

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.gates import gate_errors
from apiserver.resources.virtualmachineinstance.defaults.machine import ARM64
from apiserver.resources.virtualmachineinstance.validation.values import amount
from kube.configuration import Configuration

MOST_THREADS = 2
_MASK = re.compile(r"\^?[0-9]+(?:-[0-9]+)?(?:,\^?[0-9]+(?:-[0-9]+)?)*")


def whole_cpus(spec: Object, path: str) -> Iterator[FieldError]:
    """Only whole CPUs can be a guest's own."""
    if not _is_dedicated(spec):
        return
    for kind, cpus in _said(spec, "cpu").items():
        size = amount(cpus)
        if size and size != size.to_integral_value():
            detail = "must be a whole number, for the guest's CPUs are dedicated"
            yield FieldError.invalid(f"{path}.domain.resources.{kind}.cpu", cpus, detail)


def same_number(spec: Object, path: str) -> Iterator[FieldError]:
    """What is requested, what is allowed and what the guest sees is one number of CPUs."""
    if not _is_dedicated(spec):
        return
    field, cpu = f"{path}.domain.cpu.dedicatedCpuPlacement", spec["domain"]["cpu"]
    said = {kind: ceil(size) for kind, cpus in _said(spec, "cpu").items() if (size := amount(cpus))}
    if len(set(said.values())) > 1:
        yield FieldError.forbidden(field, "resources.requests.cpu and resources.limits.cpu must be equal")
    counts = [cpu[name] for name in ("sockets", "cores", "threads") if cpu.get(name)]
    if counts and said and prod(counts) not in said.values():
        detail = f"the guest has {prod(counts)} CPUs, so resources.requests.cpu must be that, or be left out"
        yield FieldError.forbidden(field, detail)


def fixed_memory(spec: Object, path: str) -> Iterator[FieldError]:
    """A guest with its own CPUs has its own memory, too."""
    if not _is_dedicated(spec):
        return
    memory, said = spec["domain"].get("memory", {}), _said(spec, "memory")
    if "hugepages" not in memory and not amount(memory.get("guest")) and not any(map(amount, said.values())):
        detail = "say how much memory a guest with dedicated CPUs has, here or in domain.memory"
        yield FieldError.required(f"{path}.domain.resources.limits.memory", detail)
    request, limit = (amount(said.get(kind)) for kind in ("requests", "limits"))
    if request and limit and request != limit:
        detail = f"must equal the limit, {said['limits']}, for the guest's CPUs are dedicated"
        yield FieldError.invalid(f"{path}.domain.resources.requests.memory", said["requests"], detail)


def threads(spec: Object, path: str) -> Iterator[FieldError]:
    """Threads of the guest are threads of the host."""
    if not _is_dedicated(spec):
        return
    most = 1 if spec.get("architecture") == ARM64 else MOST_THREADS
    found = spec["domain"]["cpu"].get("threads", 0)
    if found > most:
        detail = f"must be at most {most} where CPUs are dedicated; use cores"
        yield FieldError.invalid(f"{path}.domain.cpu.threads", found, detail)


def emulator_thread(spec: Object, path: str) -> Iterator[FieldError]:
    """A CPU for QEMU itself is one beside the guest's own."""
    if spec["domain"].get("cpu", {}).get("isolateEmulatorThread") and not _is_dedicated(spec):
        detail = "needs dedicatedCpuPlacement: true; add that, or remove this"
        yield FieldError.forbidden(f"{path}.domain.cpu.isolateEmulatorThread", detail)


def numa(spec: Object, path: str, configuration: Configuration) -> Iterator[FieldError]:
    """The host's NUMA nodes are shown to guests whose CPUs and memory are fixed to them."""
    if not _passes_numa(spec):
        return
    field = f"{path}.domain.cpu.numa.guestMappingPassthrough"
    yield from gate_errors(configuration, "NUMA", field)
    if not _is_dedicated(spec):
        yield FieldError.forbidden(field, "needs domain.cpu.dedicatedCpuPlacement: true")
    if "hugepages" not in spec["domain"].get("memory", {}):
        yield FieldError.forbidden(field, "needs domain.memory.hugepages")


def realtime(spec: Object, path: str) -> Iterator[FieldError]:
    """A guest that must be on time shares neither CPUs nor memory."""
    setting = spec["domain"].get("cpu", {}).get("realtime")
    if setting is None:
        return
    field = f"{path}.domain.cpu"
    if not _is_dedicated(spec):
        yield FieldError.required(f"{field}.dedicatedCpuPlacement", "realtime needs this to be true")
    if not _passes_numa(spec):
        yield FieldError.required(f"{field}.numa.guestMappingPassthrough", "realtime needs this")
    mask = setting.get("mask")
    if mask and not _MASK.fullmatch(mask):
        yield FieldError.invalid(f"{field}.realtime.mask", mask, "must list CPUs of the guest, such as 0-3,^1")


def _is_dedicated(spec: Object) -> bool:
    return bool(spec["domain"].get("cpu", {}).get("dedicatedCpuPlacement"))


def _passes_numa(spec: Object) -> bool:
    return "guestMappingPassthrough" in spec["domain"].get("cpu", {}).get("numa", {})


def _said(spec: Object, name: str) -> dict[str, Any]:
    """Return what the requests and the limits say of one resource."""
    resources = spec["domain"].get("resources", {})
    return {kind: resources[kind][name] for kind in ("requests", "limits") if name in resources.get(kind, {})}


RULES = (whole_cpus, same_number, fixed_memory, threads, emulator_thread, realtime)
CONFIGURED = (numa,)
