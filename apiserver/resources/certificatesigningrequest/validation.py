"""What is wrong with requests for certificates, and with what becomes of them.

Source: ``k8s.io/kubernetes/pkg/apis/certificates/validation``.
"""

from collections.abc import Iterable, Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.certificatesigningrequest.signers import signer_errors
from certs.pem import PemError, check_certificates, read_request

DECISIONS = ("Approved", "Denied")
"""The conditions by which somebody approves or denies."""
FINAL = (*DECISIONS, "Failed")
"""The conditions that stay, and are True."""
LEAST_SECONDS = 600
USAGES = (
    *("any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment"),
    *("decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel"),
    *("ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime"),
    *("server auth", "signing", "timestamping"),
)
_CONDITIONS, _CERTIFICATE = "status.conditions", "status.certificate"


def spec_errors(spec: Object) -> Iterator[FieldError]:
    """Yield everything wrong with what is asked for."""
    try:
        read_request(spec["request"])
    except PemError as problem:
        yield FieldError.invalid("spec.request", spec["request"], str(problem))
    usages: list[str] = spec.get("usages") or []
    if not usages:
        yield FieldError.required("spec.usages", "usages must be provided")
    for i, usage in enumerate(usages):
        if usage not in USAGES:
            yield FieldError.not_supported(f"spec.usages[{i}]", usage, USAGES)
        if usage in usages[:i]:
            yield FieldError.duplicate(f"spec.usages[{i}]", usage)
    yield from signer_errors(spec["signerName"], "spec.signerName")
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < LEAST_SECONDS:
        detail = f"may not specify a duration less than {LEAST_SECONDS} seconds (10 minutes)"
        yield FieldError.invalid("spec.expirationSeconds", seconds, detail)


def status_errors(status: Object) -> Iterator[FieldError]:
    """Yield everything wrong with what has become of a request."""
    types = [each["type"] for each in status.get("conditions") or ()]
    for i, condition in enumerate(status.get("conditions") or ()):
        yield from _condition_errors(condition, types[:i], f"{_CONDITIONS}[{i}]")
    if certificate := status.get("certificate"):
        try:
            check_certificates(certificate)
        except PemError as problem:
            yield FieldError.invalid(_CERTIFICATE, "<certificate data>", str(problem))


def _condition_errors(condition: Object, before: list[str], path: str) -> Iterator[FieldError]:
    name, status = condition["type"], condition["status"]
    allowed = ("True",) if name in FINAL else ("False", "True", "Unknown")
    if not name:
        yield FieldError.required(f"{path}.type")
    if not status:
        yield FieldError.required(f"{path}.status")
    elif status not in allowed:
        yield FieldError.not_supported(f"{path}.status", status, allowed)
    if name in DECISIONS and any(each in DECISIONS and each != name for each in before):
        yield FieldError.invalid(f"{path}.type", name, "Approved and Denied conditions are mutually exclusive")
    if name in before:
        yield FieldError.duplicate(f"{path}.type", name)


def change_errors(new: Object, old: Object, *, fixed: Iterable[str], signs: bool) -> Iterator[FieldError]:
    """Yield what may not change from one status to another.

    Conditions of the types ``fixed`` neither come nor change; none that is final goes. Only who ``signs`` may set the
    certificate, and only once.
    """
    for name in FINAL:
        before, after = condition_of(old, name), condition_of(new, name)
        if before is not None and after is None:
            yield FieldError.forbidden(_CONDITIONS, f'updates may not remove a condition of type "{name}"')
        elif name in fixed and before is None and after is not None:
            yield FieldError.forbidden(_CONDITIONS, f'updates may not add a condition of type "{name}"')
        elif name in fixed and before != after:
            yield FieldError.forbidden(_CONDITIONS, f'updates may not modify a condition of type "{name}"')
    before, after = (status.get("certificate") or "" for status in (old, new))
    if before != after and not signs:
        yield FieldError.forbidden(_CERTIFICATE, "updates may not set certificate content")
    elif before and before != after:
        yield FieldError.forbidden(_CERTIFICATE, "updates may not modify existing certificate content")


def condition_of(status: Object, name: str) -> Object | None:
    """Return the condition of a type, or None."""
    return next((each for each in status.get("conditions") or () if each["type"] == name), None)
