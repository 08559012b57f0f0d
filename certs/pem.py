"""What is in PEM: requests for certificates, and certificates.

Source: ``k8s.io/kubernetes/pkg/apis/certificates`` (``ParseCSR``, ``validation.validateCertificate``).
"""

import re

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from kube.encoding import decode

_LABEL = re.compile(rb"^-----BEGIN ([^\r\n]*?)-----[ \t\r]*$", re.MULTILINE)
_HEADER = re.compile(rb"^[^-\r\n]*:", re.MULTILINE)


class PemError(ValueError):
    """What is sent is not what it must be; says why."""


def read_request(encoded: str) -> x509.CertificateSigningRequest:
    """Return the signed request (PKCS#10) that is in base64 of PEM. Raises PemError."""
    text = _decoded(encoded)
    if _LABEL.findall(text)[:1] != [b"CERTIFICATE REQUEST"]:
        raise PemError("PEM block type must be CERTIFICATE REQUEST")
    try:
        request = x509.load_pem_x509_csr(text)
        signed = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as unreadable:
        raise PemError(f"the request cannot be read: {unreadable}") from unreadable
    if not signed:
        raise PemError("the request is not signed by the key that it is for")
    return request


def organizations(request: x509.CertificateSigningRequest) -> frozenset[str]:
    """Return the organizations that a request names: the groups of a client that is known by its certificate."""
    return frozenset(str(each.value) for each in request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME))


def check_certificates(encoded: str) -> None:
    """Check that base64 of PEM holds certificates, at least one, and nothing else. Raises PemError."""
    text = _decoded(encoded)
    for label in _LABEL.findall(text):
        if label != b"CERTIFICATE":
            raise PemError(f'only CERTIFICATE PEM blocks are allowed, found "{label.decode(errors="replace")}"')
    if _HEADER.search(text):
        raise PemError("no PEM block headers are permitted")
    try:
        x509.load_pem_x509_certificates(text)
    except (ValueError, x509.InvalidVersion) as unreadable:
        raise PemError(f"the certificates cannot be read: {unreadable}") from unreadable


def _decoded(encoded: str) -> bytes:
    try:
        return decode(encoded)
    except ValueError as problem:
        raise PemError("must be base64") from problem
