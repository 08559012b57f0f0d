"""A server's TLS context: what it serves and whom it asks to show a certificate, always as its files are now."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from certs.authority import life_of
from certs.following import Following
from kube.tls import TlsConfiguration

UNFIT_AT = 1 / 20
"""The share of its life that a certificate has left when it counts as good as expired.

Renewal is due with a fifth left, and with a tenth at the latest: until then it has had every chance.
"""
PATIENCE = timedelta(seconds=10)
"""How long files may be such that they cannot be used: somebody may be about to replace another of them."""


class UnfitError(Exception):
    """What a server serves is, or will soon be, of no use to its clients; the message says why."""


@dataclass(frozen=True, slots=True)
class Served:
    """What the next client is met with."""

    certificate: x509.Certificate
    client_authorities: tuple[x509.Certificate, ...]
    """Whom certificates of clients must come from."""


class ServingContext(Following):
    """Serves a certificate, and verifies those that clients show."""

    _configuration: Callable[[], TlsConfiguration]
    _trusted: Callable[[], str]
    _clients: ssl.VerifyMode

    @classmethod
    def of(
        cls,
        certificate: Path,
        *client_authorities: Path,
        configuration: Callable[[], TlsConfiguration] = TlsConfiguration,
        trusted: Callable[[], str] = str,
        clients: ssl.VerifyMode = ssl.CERT_OPTIONAL,
    ) -> "ServingContext":
        """Return a context that verifies client certificates against the bundles ``client_authorities``.

        ``certificate`` is a file that holds the key, too. By default certificates of clients are asked for, not
        demanded: health and version are for everyone. ``configuration``, and who else is ``trusted`` (certificates in
        PEM), is asked at each handshake. Raises OSError and ssl.SSLError when the files cannot be used.
        """
        context = cls(ssl.PROTOCOL_TLS_SERVER)
        context._configuration, context._trusted, context._clients = configuration, trusted, clients
        context._begin(certificate, *client_authorities)
        return context

    def _settings(self) -> tuple[TlsConfiguration, str]:
        return self._configuration(), self._trusted()

    def _make(self) -> ssl.SSLContext:
        certificate, *client_authorities = self._files
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _configure(context, self._configuration())
        context.load_cert_chain(certificate)
        for each in client_authorities:
            context.load_verify_locations(each)
        if trusted := self._trusted():
            context.load_verify_locations(cadata=trusted)
        context.verify_mode = self._clients
        # Who is trusted is so without being vouched for by another: as Go, and with it Kubernetes, reads bundles.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        # Who resumes a session shows no certificate. In TLS 1.2 that goes on, but only within this very context.
        context.num_tickets = 0
        return context

    def served(self) -> Served:
        """Return what a handshake at this moment gets: not what the files hold, but what a client is shown."""
        context = self.follow()
        authorities = (x509.load_der_x509_certificate(each) for each in context.get_ca_certs(binary_form=True))
        return Served(_shown_by(context), tuple(authorities))

    async def check(self) -> None:
        """Raise UnfitError when clients are, or will soon be, served what they cannot accept."""
        now = datetime.now(UTC)
        if (trouble := self.trouble()) is not None and now - trouble[1] >= PATIENCE:
            raise UnfitError(f"the files changed at {trouble[1]:%H:%M:%S}, and cannot be used: {trouble[0]}")
        if (why := why_unfit(self.served().certificate, now)) is not None:
            raise UnfitError(f"the serving certificate {why}")


def why_unfit(certificate: x509.Certificate, now: datetime) -> str | None:
    """Return why a certificate should be served no longer, or None."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begin:
        return f"is not valid before {begin:%Y-%m-%d %H:%M:%S}"
    if now >= end:
        return f"has expired at {end:%Y-%m-%d %H:%M:%S}"
    if end - now < life_of(certificate) * UNFIT_AT:
        return f"expires at {end:%Y-%m-%d %H:%M:%S} and was not renewed in time"
    return None


def _configure(context: ssl.SSLContext, configuration: TlsConfiguration) -> None:
    context.minimum_version = configuration.minimum
    if not configuration.ciphers:
        return
    try:
        context.set_ciphers(":".join(configuration.ciphers))
    except ssl.SSLError:
        # OpenSSL knows none of them any more. What is left is what nobody chooses the ciphers of.
        context.minimum_version = ssl.TLSVersion.TLSv1_3


def _shown_by(server: ssl.SSLContext) -> x509.Certificate:
    """Shake hands with ``server`` in memory, as any client does, and return the certificate that it shows."""
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = anyone.wrap_bio(to_client, to_server)
    for end in (client, server.wrap_bio(to_server, to_client, server_side=True), client):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    shown = client.getpeercert(binary_form=True)
    if shown is None:
        raise ssl.SSLError("the handshake has not come to the server's certificate")
    return x509.load_der_x509_certificate(shown)
