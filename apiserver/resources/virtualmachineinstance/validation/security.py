"""Guests that the host cannot look into: SEV, SEV-SNP and TDX, and Secure Execution on s390x."""

from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.gates import gate_errors
from apiserver.resources.virtualmachineinstance.defaults.machine import AMD64, S390X
from apiserver.resources.virtualmachineinstance.validation.boot import has_smm
from kube.configuration import Configuration

GATES = {"sev": "WorkloadEncryptionSEV", "snp": "WorkloadEncryptionSEV", "tdx": "WorkloadEncryptionTDX"}


def launch_security(spec: Object, path: str, configuration: Configuration) -> Iterator[FieldError]:
    """One technique is chosen, the architecture has it, and the gate is on; then the rest must fit it."""
    chosen = spec["domain"].get("launchSecurity")
    if chosen is None:
        return
    field, architecture = f"{path}.domain.launchSecurity", spec.get("architecture") or AMD64
    if architecture != AMD64:
        if architecture != S390X:
            yield FieldError.forbidden(field, f"there is no such thing on {architecture}; remove this")
        return
    kinds = [kind for kind in GATES if kind in chosen]
    if len(kinds) != 1:
        yield FieldError.forbidden(field, f"choose one of {', '.join(GATES)}")
        return
    closed = [*gate_errors(configuration, GATES[kinds[0]], field)]
    yield from closed or _obstacles(spec, kinds[0], path)


def _obstacles(spec: Object, kind: str, path: str) -> Iterator[FieldError]:
    domain, field = spec["domain"], f"{path}.domain.launchSecurity"
    efi = domain.get("firmware", {}).get("bootloader", {}).get("efi")
    if efi is None:
        yield FieldError.forbidden(field, f"{kind} needs domain.firmware.bootloader.efi")
    elif kind in {"sev", "snp"} and efi.get("secureBoot", True):
        yield FieldError.forbidden(field, f"secure boot does not work with {kind}; set efi.secureBoot to false")
    if efi is not None and kind in {"snp", "tdx"} and efi.get("persistent"):
        yield FieldError.forbidden(field, f"EFI variables cannot be kept with {kind}; set efi.persistent to false")
    if kind == "tdx" and has_smm(spec):
        yield FieldError.forbidden(field, f"features.smm does not work with {kind}; switch that off")
    attestation = domain["launchSecurity"][kind].get("attestation")
    if kind == "sev" and attestation is not None and spec.get("startStrategy") != "Paused":
        yield FieldError.forbidden(f"{field}.sev.attestation", "needs startStrategy: Paused")
    for i, interface in enumerate(domain["devices"].get("interfaces", ())):
        if "bootOrder" in interface:
            at = f"{path}.domain.devices.interfaces[{i}].bootOrder"
            yield FieldError.forbidden(at, f"a guest with {kind} cannot boot from the network; remove this")


CONFIGURED = (launch_security,)
