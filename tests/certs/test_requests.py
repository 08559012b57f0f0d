"""What agents may ask to be signed, and that a signer finds out whatever else is in a request."""

import base64
from collections.abc import Sequence
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from certs.authority import alternatives, subject
from certs.requests import CLIENT_SIGNER, SERVING_SIGNER, RequestError, agent_request, make_request

KEY = ec.generate_private_key(ec.SECP256R1())
NODE = subject("system:node:host1", ["system:nodes"])
OTHER_CURVE = ec.generate_private_key(ec.SECP384R1())
RSA = rsa.generate_private_key(65537, 2048)
AUTHORITY = x509.BasicConstraints(ca=True, path_length=None)


def request(
    name: x509.Name = NODE,
    extensions: Sequence[x509.ExtensionType] = (),
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = KEY,
    usages: Sequence[str] = ("client auth", "digital signature"),
    signer: str = CLIENT_SIGNER,
) -> dict[str, Any]:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    for each in extensions:
        builder = builder.add_extension(each, critical=False)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    return {"signerName": signer, "usages": list(usages), "request": base64.b64encode(pem).decode()}


@pytest.mark.parametrize("signer", [CLIENT_SIGNER, SERVING_SIGNER])
def test_what_is_asked_for_is_what_is_understood(signer: str) -> None:
    made = make_request(signer, "host1.example.com", KEY)
    asked = agent_request(made["spec"])
    assert (asked.signer, asked.node, asked.key) == (signer, "host1.example.com", KEY.public_key())
    assert made["metadata"]["name"] == make_request(signer, "host1.example.com", KEY)["metadata"]["name"]


SERVING = {"signer": SERVING_SIGNER, "usages": ("server auth", "digital signature")}


@pytest.mark.parametrize(
    "spec",
    [
        request(subject("system:node:host1")),
        request(subject("system:node:host1", ["system:nodes", "system:masters"])),
        request(subject("host1", ["system:nodes"])),
        request(subject("system:node:", ["system:nodes"])),
        request(subject("system:node:Host 1", ["system:nodes"])),
        request(x509.Name([*NODE, *subject("admin")])),
        request(x509.Name([])),
        request(extensions=[alternatives(["host1"])]),
        request(extensions=[AUTHORITY]),
        request(usages=["client auth", "server auth"]),
        request(usages=["digital signature"]),
        request(key=OTHER_CURVE),
        request(key=RSA),
        request(**SERVING),
        request(extensions=[alternatives(["host2"])], **SERVING),
        request(extensions=[alternatives(["host1", "host2"])], **SERVING),
        request(extensions=[alternatives(["host1", "10.0.0.1"])], **SERVING),
        request(extensions=[alternatives(["host1"]), AUTHORITY], **SERVING),
        request(extensions=[alternatives(["host1"])], signer=SERVING_SIGNER),
        {**request(), "request": "%"},
        {**request(), "request": base64.b64encode(b"no PEM").decode()},
    ],
)
def test_what_no_agent_needs_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        agent_request(spec)
