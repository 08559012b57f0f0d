"""Who is calling: the subject of a client certificate that TLS has verified, or the owner of a bearer token.

Source: Kubernetes authentication, "X509 client certificates" (the common name is the user, organizations are groups)
and "Service account tokens".
"""

import ssl
from collections.abc import Mapping
from typing import Any, Protocol

import structlog

from apiserver.auth.identities import ANONYMOUS, known
from apiserver.auth.webtokens import TokenError
from apiserver.machinery import errors
from apiserver.machinery.resource import Caller

log = structlog.get_logger(__name__)


class TokenOwners(Protocol):
    """Knows whose bearer tokens are, and may have to ask somebody first."""

    async def owner(self, token: str) -> Caller:
        """Return whose ``token`` is. Raises TokenError for nobody's, and 503 when that cannot be found out."""
        ...


class Authenticator:
    """Reads the identity of a request."""

    def __init__(self, tokens: TokenOwners | None = None) -> None:
        """Without ``tokens`` every bearer token is nobody's."""
        self._tokens = tokens

    async def caller(self, connection: ssl.SSLObject | None, headers: Mapping[str, str]) -> Caller:
        """Return who sends a request with these ``headers`` over ``connection``; ANONYMOUS for nobody.

        A verified client certificate counts first. Raises 401 for a bearer token that is nobody's.
        """
        certificate = connection.getpeercert() if connection is not None else None
        if certificate and (caller := from_subject(certificate)) != ANONYMOUS:
            return caller
        scheme, _, token = headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return ANONYMOUS
        if self._tokens is None:
            raise errors.unauthorized()
        try:
            return await self._tokens.owner(token.strip())
        except TokenError as wrong:
            log.info("a token is refused", why=str(wrong))
            raise errors.unauthorized() from wrong


def from_subject(certificate: Mapping[str, Any]) -> Caller:
    """Return the caller that a certificate, in the form of ``SSLObject.getpeercert``, names."""
    subject = [pair for relative in certificate.get("subject", ()) for pair in relative]
    names = [value for key, value in subject if key == "commonName"]
    if not names:
        return ANONYMOUS
    return known(names[-1], (value for key, value in subject if key == "organizationName"))
