"""A whole server over TLS on a real database, serving a kind made for these tests.

``Gadget`` has what generic code must get right: two versions of different shape, a status subresource, a generation.
"""

import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apiserver.auth.authentication import Authenticator
from apiserver.auth.authorization import Authorizer
from apiserver.auth.certificates import InstallationCertificates
from apiserver.auth.roles import Roles
from apiserver.http.api import Api
from apiserver.http.app import App
from apiserver.http.health import Health
from apiserver.http.listening import listening
from apiserver.http.request import Site
from apiserver.machinery.resource import Caller
from apiserver.machinery.schema import Catalogue
from apiserver.registry import writing
from apiserver.registry.options import WriteOptions
from apiserver.registry.stored import StoredObjects
from apiserver.storage.cache import WatchCache
from apiserver.storage.migrate import migrate
from apiserver.storage.sql import SqlLog
from certs.bundles import Bundles
from certs.purposes import CLIENTS
from tests.apiserver.http.gadgets import Client, resources


@dataclass(frozen=True)
class Running:
    """A server, and where it listens."""

    app: App
    port: int


@pytest.fixture(scope="session")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA with certificates for the server, an administrator and a stranger."""
    directory = tmp_path_factory.mktemp("identities")
    now = dt.datetime.now(dt.UTC)

    def make(name: str, subject: list[tuple[x509.ObjectIdentifier, str]], issuer: Any = None) -> Any:
        key = ec.generate_private_key(ec.SECP256R1())
        named = x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
        builder = (
            x509.CertificateBuilder()
            .subject_name(named)
            .issuer_name(issuer[0] if issuer else named)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        )
        certificate = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
        (directory / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (directory / f"{name}.key").write_bytes(pem)
        return named, key

    name, organization = x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME
    authority = make("ca", [(name, CLIENTS.common_name(1))])
    make("server", [(name, "localhost")], authority)
    make("admin", [(organization, "system:masters"), (name, "admin")], authority)
    make("eve", [(name, "eve")], authority)
    return directory


def _client_context(identities: Path, name: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(identities / "ca.crt"))
    if name:
        context.load_cert_chain(identities / f"{name}.crt", identities / f"{name}.key")
    return context


@pytest.fixture
async def server(tmp_path: Path, identities: Path) -> AsyncIterator[Running]:
    url = f"sqlite:///{tmp_path}/log.db"
    await migrate(url)
    catalogue = Catalogue.load(Path(__file__).parent / "schemas")
    served = resources(catalogue)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(identities / "ca.crt"))
    context.load_cert_chain(identities / "server.crt", identities / "server.key")
    context.verify_mode = ssl.CERT_OPTIONAL
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(SqlLog(url))
        store = await stack.enter_async_context(WatchCache(log))
        health = Health({})
        api = Api(
            resources=served,
            store=store,
            catalogue=catalogue,
            authenticator=Authenticator(InstallationCertificates(Bundles([identities / "ca.crt"]))),
            authorization=Authorizer(lambda _node, _asked: False, Roles(StoredObjects())),
        )
        write = WriteOptions(caller=Caller("test"), version="v1")
        await writing.create(served["", "namespaces"], store, "", {"metadata": {"name": "default"}}, write)
        app = App(Site(api=api, stopping=health.stopping), health, {"gitVersion": "v1.32.0"})
        port = await stack.enter_async_context(listening(app, "127.0.0.1", 0, context, shutdown_seconds=10))
        stack.callback(health.stopping.set)
        yield Running(app, port)


@pytest.fixture
async def client_as(server: Running, identities: Path) -> AsyncIterator[Any]:
    """Returns a client with the identity of the given name, or with none."""
    async with AsyncExitStack() as stack:

        async def make(name: str | None) -> Client:
            connector = aiohttp.TCPConnector(ssl=_client_context(identities, name))
            timeout = aiohttp.ClientTimeout(total=20)
            session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, timeout=timeout))
            return Client(session, f"https://localhost:{server.port}")

        yield make


@pytest.fixture
async def client(client_as: Any) -> Client:
    return await client_as("admin")
