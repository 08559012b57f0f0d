"""How long requests for certificates are kept."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from controllers.csrcleaner.controller import kept_until
from kube.encoding import decode
from kube.timestamps import to_time
from tests import signing

CREATED = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = CREATED + timedelta(minutes=10)
CERTIFICATE = signing.certificate()
END = x509.load_pem_x509_certificate(decode(CERTIFICATE)).not_valid_after_utc


def request(signer: str = "example.com/signer", *conditions: str, certificate: str = "") -> dict[str, Any]:
    decided = [{"type": each, "status": "True", "lastUpdateTime": to_time(LATER)} for each in conditions]
    status = {"conditions": decided} | ({"certificate": certificate} if certificate else {})
    return {"metadata": {"creationTimestamp": to_time(CREATED)}, "spec": {"signerName": signer}, "status": status}


@pytest.mark.parametrize(
    ("csr", "end"),
    [
        (request(), CREATED + timedelta(hours=24)),
        (request("virtplane.io/agent-client", "ApprovalNeeded"), CREATED + timedelta(hours=24)),
        (request("example.com/signer", "Approved"), LATER + timedelta(hours=1)),
        (request("example.com/signer", "Denied"), LATER + timedelta(hours=1)),
        (request("example.com/signer", "Approved", "Failed"), LATER + timedelta(hours=1)),
        (request("example.com/signer", "Approved", certificate=CERTIFICATE), LATER + timedelta(hours=1)),
        (request("virtplane.io/agent-client", "Approved", certificate=CERTIFICATE), END),
    ],
)
def test_a_request_is_kept_as_long_as_somebody_may_look_at_it(csr: dict[str, Any], end: datetime) -> None:
    assert kept_until(csr) == end
