"""kubectl certificate, with the kubectl that is installed and with Debian's."""

import json
from collections.abc import Awaitable, Callable

import pytest

from tests import signing

Kubectl = Callable[..., Awaitable[str]]
REQUEST = {
    "apiVersion": "certificates.k8s.io/v1",
    "kind": "CertificateSigningRequest",
    "metadata": {"name": "jane"},
    "spec": {
        "request": signing.request(),
        "signerName": "kubernetes.io/kube-apiserver-client",
        "usages": ["client auth"],
        "expirationSeconds": 7200,
    },
}


@pytest.fixture(params=["kubectl", "debians_kubectl"])
def kubectl(request: pytest.FixtureRequest, kubectl_as: Callable[..., Kubectl]) -> Kubectl:
    program = "kubectl" if request.param == "kubectl" else request.getfixturevalue("debians_program")
    return kubectl_as("admin", program)


async def row(kubectl: Kubectl) -> dict[str, str]:
    titles, cells = (await kubectl("get", "csr")).splitlines()
    return dict(zip(titles.split(), cells.split(), strict=True))


@pytest.mark.parametrize(("verb", "decision"), [("approve", "Approved"), ("deny", "Denied")])
async def test_a_request_is_asked_for_shown_and_decided_on(kubectl: Kubectl, verb: str, decision: str) -> None:
    await kubectl("create", "-f", "-", given=json.dumps(REQUEST))
    shown = await row(kubectl)
    assert list(shown) == ["NAME", "AGE", "SIGNERNAME", "REQUESTOR", "REQUESTEDDURATION", "CONDITION"]
    assert (shown["SIGNERNAME"], shown["REQUESTOR"]) == (REQUEST["spec"]["signerName"], "kubernetes-admin")
    assert (shown["REQUESTEDDURATION"], shown["CONDITION"]) == ("120m", "Pending")
    assert f"jane {decision.lower()}" in await kubectl("certificate", verb, "jane")
    assert (await row(kubectl))["CONDITION"] == decision
    told = (await kubectl("describe", "csr", "jane")).split()
    assert told.count("jane") == 2  # the object, and whom the certificate is for
    assert decision in told


async def test_what_was_approved_shows_that_it_was_issued(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", given=json.dumps(REQUEST))
    await kubectl("certificate", "approve", "jane")
    approved = json.loads(await kubectl("get", "csr", "jane", "-o", "json"))
    approved["status"]["certificate"] = signing.certificate()
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests/jane/status"
    await kubectl("replace", "--raw", path, "-f", "-", given=json.dumps(approved))
    assert (await row(kubectl))["CONDITION"] == "Approved,Issued"
    assert "signer" in await kubectl("explain", "csr.spec.signerName")
