"""Who is calling: the subject of a client certificate that TLS has verified.

Source: Kubernetes authentication, "X509 client certificates": the common name is the user, organizations are groups.
"""

import ssl
from collections.abc import Mapping
from typing import Any

from apiserver.machinery.resource import NODES_GROUP, Caller

CONTROLLERS_GROUP = "system:virtplane:controllers"
MASTERS_GROUP = "system:masters"
AUTHENTICATED = "system:authenticated"
"""The group of everybody who is known."""
ANONYMOUS = Caller("system:anonymous", frozenset({"system:unauthenticated"}))


class Authenticator:
    """Reads the identity of a connection."""

    def caller(self, connection: ssl.SSLObject | None) -> Caller:
        """Return who holds the connection; ANONYMOUS without a verified client certificate."""
        certificate = connection.getpeercert() if connection is not None else None
        if not certificate:
            return ANONYMOUS
        return from_subject(certificate)


def from_subject(certificate: Mapping[str, Any]) -> Caller:
    """Return the caller that a certificate, in the form of ``SSLObject.getpeercert``, names."""
    subject = [pair for relative in certificate.get("subject", ()) for pair in relative]
    names = [value for key, value in subject if key == "commonName"]
    if not names:
        return ANONYMOUS
    groups = frozenset(value for key, value in subject if key == "organizationName")
    system = bool(groups & {CONTROLLERS_GROUP, NODES_GROUP})
    return Caller(names[-1], groups | {AUTHENTICATED}, system)
