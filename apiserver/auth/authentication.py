"""Who is calling: the owner of the client certificate, or else of the bearer token.

Source: ``k8s.io/apiserver/pkg/authentication/authenticatorfactory``, which asks in the same order.
"""

import ssl
from collections.abc import Mapping
from typing import Protocol

import structlog

from apiserver.auth.certificates import CertificateOwners
from apiserver.auth.identities import ANONYMOUS
from apiserver.auth.webtokens import TokenError
from apiserver.machinery import errors
from apiserver.machinery.resource import Caller

log = structlog.get_logger(__name__)


class TokenOwners(Protocol):
    """Knows whose bearer tokens are, and may have to ask somebody first."""

    async def owner(self, token: str) -> Caller:
        """Return whose ``token`` is. Raises TokenError for nobody's, and 503 when that cannot be found out."""
        ...

    def known_owner(self, token: str, /) -> Caller | None:
        """Return the same where nobody has to be asked, and else None, as for nobody's."""
        ...


class Authenticator:
    """Reads the identity of a request."""

    def __init__(self, certificates: CertificateOwners, tokens: TokenOwners | None = None) -> None:
        """Without ``tokens`` every bearer token is nobody's."""
        self._certificates = certificates
        self._tokens = tokens

    async def caller(self, connection: ssl.SSLObject | None, headers: Mapping[str, str]) -> Caller:
        """Return who sends a request with these ``headers`` over ``connection``; ANONYMOUS for who shows nothing.

        A certificate counts first. Raises 401 for a certificate or a token that is nobody's.
        """
        certificate = _certificate(connection)
        if certificate and (caller := self._owner_of(certificate, headers)) is not None:
            return caller
        if token := _bearer_token(headers):
            return await self._owner_of_token(token)
        if certificate:
            log.info("a certificate is refused")
            raise errors.unauthorized()
        return ANONYMOUS

    def known_caller(self, connection: ssl.SSLObject | None, headers: Mapping[str, str]) -> Caller | None:
        """Return the same where nobody has to be asked, and else None, as for who shows nothing or what is refused."""
        if certificate := _certificate(connection):
            return self._owner_of(certificate, headers)
        token = _bearer_token(headers)
        return self._tokens.known_owner(token) if token and self._tokens is not None else None

    def _owner_of(self, certificate: bytes, headers: Mapping[str, str]) -> Caller | None:
        try:
            return self._certificates.owner(certificate, headers)
        except ValueError as broken:  # OpenSSL understands more of certificates than cryptography does
            log.info("a certificate cannot be read", why=str(broken))
            return None

    async def _owner_of_token(self, token: str) -> Caller:
        if self._tokens is None:
            raise errors.unauthorized()
        try:
            return await self._tokens.owner(token)
        except TokenError as wrong:
            log.info("a token is refused", why=str(wrong))
            raise errors.unauthorized() from wrong


def _certificate(connection: ssl.SSLObject | None) -> bytes | None:
    return connection.getpeercert(binary_form=True) if connection is not None else None


def _bearer_token(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("Authorization", "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
