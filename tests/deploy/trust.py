"""What a test does about certificates in the place of a server: it says that it trusts who signs for agents."""

import base64
from datetime import UTC, datetime

from cryptography import x509

from certs.objects import CONSUMERS, Statement, consumers_of
from certs.purposes import SERVER, STREAMS
from certs.trust import fingerprint
from client.api import Client
from client.kinds import CONFIG_MAP
from kube.installation import NAMESPACE
from tests.conformance.api import Api, Kind

SECRETS = Kind("Secret", "", "v1", "secrets", NAMESPACE)


async def trust_streams(api: Api, client: Client) -> None:
    """Have the controllers make an authority for streams that everybody trusts."""
    await client.create(CONFIG_MAP, consumers_of("server", _statement(frozenset())))
    found = await api.until(SECRETS, lambda found: STREAMS.authority in found)
    pem = base64.b64decode(found[STREAMS.authority]["data"]["tls.crt"])
    said = _statement(frozenset([fingerprint(x509.load_pem_x509_certificate(pem))]))
    await client.patch(CONFIG_MAP, CONSUMERS, NAMESPACE, {"data": {"server": said.json()}})


def _statement(trusted: frozenset[str]) -> Statement:
    return Statement(at=datetime.now(UTC), trusted={SERVER.authority: frozenset(), STREAMS.authority: trusted})
