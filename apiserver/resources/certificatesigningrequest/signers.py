"""Signers: what they are called, and the one that makes clients of this server.

Source: ``k8s.io/kubernetes/pkg/apis/core/validation.ValidateSignerName``; Kubernetes' "Certificate Signing Requests".
"""

from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from kube.names import label_problem, subdomain_problem

CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"
"""Its certificates say who calls this server."""
LEGACY_SIGNER = "kubernetes.io/legacy-unknown"
"""Of the beta version only."""
_LONGEST = 571
"""A domain, a slash, and a path that has room for a namespace, a dot and a name."""


def signer_errors(name: str, path: str) -> Iterator[FieldError]:
    """Yield everything wrong with the name of a signer, such as ``example.com/signer``."""
    if not name:
        yield FieldError.required(path)
        return
    if name == LEGACY_SIGNER:
        yield FieldError.invalid(path, name, "the legacy signerName is not allowed via this API version")
        return
    domain, *rest = name.split("/")
    if len(rest) != 1:
        detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        yield FieldError.invalid(path, name, detail)
        return
    yield from _domain_errors(domain, path)
    for label in rest[0].split("."):
        if problem := subdomain_problem(label):
            yield FieldError.invalid(path, rest[0], f'validating label "{label}": {problem}')
    if len(name) > _LONGEST:
        yield FieldError("FieldValueTooLong", path, f"Too long: may not be more than {_LONGEST} bytes")


def _domain_errors(domain: str, path: str) -> Iterator[FieldError]:
    if len(domain) > 253:
        yield FieldError("FieldValueTooLong", path, "Too long: the domain may not be more than 253 bytes")
    labels = domain.split(".")
    for label in labels:
        if problem := label_problem(label):
            yield FieldError.invalid(path, domain, f'validating label "{label}": {problem}')
    if len(labels) < 2:
        yield FieldError.invalid(path, domain, "should be a domain with at least two segments separated by dots")
