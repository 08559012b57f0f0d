"""Whom to trust, found out from a server that nobody vouches for but the pin of its authority.

Nothing is sent before the server has shown that authority, and a certificate of it that names the server. Source of the
method: kubeadm's token-based discovery.
"""

import asyncio
import ssl
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.pinning import pin_of
from nodeagent.enrolment.errors import JoinError

CONNECT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Address":
        """Return where ``https://HOST:PORT`` leads. Raises JoinError for anything else."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or 443
        except ValueError:
            host, port, parts = None, 0, None
        if parts is None or not host or parts.scheme != "https" or parts.path.strip("/") or parts.query:
            raise JoinError(f"--server must look like https://HOST:PORT; it is {url!r}")
        return cls(host, port)


async def pinned_authority(server: Address, pins: Collection[str]) -> x509.Certificate:
    """Return the authority of ``server``, which has one of ``pins``. Raises JoinError."""
    shown = await _handshake(server, _believing_nobody())
    authority = next((each for each in shown if pin_of(each) in pins), None)
    if authority is None:
        raise JoinError(
            f"what answers at {server.host}:{server.port} does not show the authority of --ca-cert-hash: it is another "
            "server, or its authority was replaced. `virtplane token create` prints the hash that holds now"
        )
    believing = ssl.create_default_context(cadata=authority.public_bytes(Encoding.PEM).decode())
    await _handshake(server, believing)
    return authority


async def _handshake(server: Address, context: ssl.SSLContext) -> list[x509.Certificate]:
    """Return the certificates that ``server`` shows; the connection is good for nothing else. Raises JoinError."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(
                server.host, server.port, ssl=context, server_hostname=server.host
            )
    except ssl.SSLCertVerificationError as wrong:
        raise JoinError(
            f"the certificate of {server.host}:{server.port} is not to be trusted: {wrong.verify_message}"
        ) from wrong
    except (OSError, TimeoutError) as away:
        told = str(away) or "no answer in time"
        raise JoinError(f"no server answers at {server.host}:{server.port}: {told}") from away
    shown = _shown(writer.get_extra_info("ssl_object"))
    writer.close()
    return shown


def _shown(connection: Any) -> list[x509.Certificate]:
    # Public since Python 3.13 (``SSLObject.get_unverified_chain``); 3.11 has it here alone.
    chain: list[Any] = connection._sslobj.get_unverified_chain() or []  # noqa: SLF001
    return [x509.load_pem_x509_certificate(each.public_bytes().encode()) for each in chain]


def _believing_nobody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
