"""What node agents ask to be signed: a certificate for calling the API server, and one for their own server.

Source of subjects and usages: Kubernetes' signers ``kubernetes.io/kube-apiserver-client-kubelet`` and
``kubernetes.io/kubelet-serving``. An agent serves under the name of its node, wherever that is reached.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from certs.authority import alternatives, subject
from certs.pem import PemError, read_request
from kube.encoding import decode
from kube.objects import Object
from kube.users import NODE_PREFIX, NODES_GROUP

CLIENT_SIGNER = "virtplane.io/agent-client"
SERVING_SIGNER = "virtplane.io/agent-serving"
_USAGES = {CLIENT_SIGNER: "client auth", SERVING_SIGNER: "server auth"}
SIGNERS = tuple(_USAGES)
_NODE_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,50}[a-z0-9])?")
_HARMLESS = {"digital signature", "key encipherment"}


class RequestError(ValueError):
    """A request asks for something that no agent needs; says what."""


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """What an agent asks for."""

    signer: str
    node: str
    key: ec.EllipticCurvePublicKey


def make_request(signer: str, node: str, key: ec.EllipticCurvePrivateKey) -> Object:
    """Return the CertificateSigningRequest of the agent of ``node``, called the same each time for the same key."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject(f"{NODE_PREFIX}{node}", [NODES_GROUP]))
    if signer == SERVING_SIGNER:
        builder = builder.add_extension(alternatives([node]), critical=False)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    spec = {
        "request": base64.b64encode(pem).decode(),
        "signerName": signer,
        "usages": ["digital signature", _USAGES[signer]],
    }
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": f"{node}-{signer.partition('/')[2]}-{hashlib.sha256(point).hexdigest()[:12]}"},
        "spec": spec,
    }


def agent_request(spec: Object) -> AgentRequest:
    """Return what the spec of a CertificateSigningRequest for one of our signers asks for. Raises RequestError."""
    signer = spec["signerName"]
    try:
        request = read_request(spec["request"])
        extensions = list(request.extensions)
    except (PemError, ValueError) as unreadable:
        raise RequestError(str(unreadable)) from unreadable
    common = [str(each.value) for each in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    node = common[0].removeprefix(NODE_PREFIX) if common else ""
    if not _NODE_NAME.fullmatch(node) or request.subject != subject(f"{NODE_PREFIX}{node}", [NODES_GROUP]):
        raise RequestError(f"the subject must be exactly O={NODES_GROUP}, CN={NODE_PREFIX}NAME")
    if not {_USAGES[signer]} <= set(spec["usages"]) <= _HARMLESS | {_USAGES[signer]}:
        raise RequestError(f'the usages must be "{_USAGES[signer]}" and "digital signature"')
    wanted = [alternatives([node])] if signer == SERVING_SIGNER else []
    if [each.value for each in extensions] != wanted:
        raise RequestError("a server's only extension must be the name of its node, and a client has none")
    key = request.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise RequestError("the key must be one of the curve P-256")
    return AgentRequest(signer, node, key)


def certificate_end(csr: Object) -> datetime | None:
    """Return when the certificate expires that a CertificateSigningRequest was answered with, if it was."""
    issued = csr.get("status", {}).get("certificate")
    return x509.load_pem_x509_certificates(decode(issued))[0].not_valid_after_utc if issued else None
