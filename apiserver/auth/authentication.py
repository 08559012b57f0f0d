"""Who is calling: the subject of a client certificate that TLS has verified, or the owner of a bearer token.

Source: Kubernetes authentication, "X509 client certificates" (the common name is the user, organizations are groups)
and "Service account tokens".
"""

import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from apiserver.auth.accounttokens import AccountTokens, Authenticated
from apiserver.auth.identities import ANONYMOUS, known
from apiserver.auth.webtokens import TokenError
from apiserver.machinery import errors
from apiserver.machinery.resource import Caller

log = structlog.get_logger(__name__)


class Authenticator:
    """Reads the identity of a request."""

    def __init__(self, tokens: AccountTokens | None = None) -> None:
        """Without ``tokens`` every bearer token is nobody's."""
        self.tokens = tokens

    def caller(self, connection: ssl.SSLObject | None, authorization: str = "") -> Caller:
        """Return who sends a request over ``connection`` with this Authorization header; ANONYMOUS for nobody.

        A verified client certificate counts first. Raises 401 for a bearer token that is nobody's.
        """
        certificate = connection.getpeercert() if connection is not None else None
        if certificate and (caller := from_subject(certificate)) != ANONYMOUS:
            return caller
        scheme, _, token = authorization.strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return ANONYMOUS
        try:
            return self.owner(token.strip()).caller
        except TokenError as wrong:
            log.info("a token is refused", why=str(wrong))
            raise errors.unauthorized() from wrong

    def owner(self, token: str, audiences: Sequence[str] = ()) -> Authenticated:
        """Return whose a token is that is for one of ``audiences``, or of this server. Raises TokenError."""
        if self.tokens is None:
            raise TokenError("this server knows no tokens")
        return self.tokens.authenticate(token, audiences)


def from_subject(certificate: Mapping[str, Any]) -> Caller:
    """Return the caller that a certificate, in the form of ``SSLObject.getpeercert``, names."""
    subject = [pair for relative in certificate.get("subject", ()) for pair in relative]
    names = [value for key, value in subject if key == "commonName"]
    if not names:
        return ANONYMOUS
    return known(names[-1], (value for key, value in subject if key == "organizationName"))
