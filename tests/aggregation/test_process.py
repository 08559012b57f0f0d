"""``virtplane server`` as a part of a cluster: it waits for its certificates, serves with them, and follows them."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509

from certs.authority import Life, make_authority
from certs.names import service_names
from certs.objects import CONSUMERS, bundle_of, secret_of
from certs.pair import Pair
from certs.purposes import AGENT_CLIENT, API, SERVER, STREAMS, Leaf
from certs.trust import Kept
from client.api import Client
from client.kinds import CONFIG_MAP, SECRET
from kube.installation import NAMESPACE
from tests.aggregation.conftest import account, eventually, trust
from tests.aggregator import FrontProxy
from tests.conformance.api import SECONDS, Api
from tests.server import Server
from virtplane import membercertificates
from virtplane.membercertificates import CertificatesMissingError
from virtplane.server import ServerError, serve
from virtplane.settings import Settings

SERVICE = "virtplane-api.virtplane.svc"
DAY = timedelta(days=1)
MASTERS = {"X-Remote-User": "root", "X-Remote-Group": "system:masters"}


@pytest.fixture
def proxy(tmp_path: Path) -> FrontProxy:
    return FrontProxy(tmp_path / "front-proxy")


@pytest.fixture
async def settings(tmp_path: Path, cluster: Server, masters: Api, proxy: FrontProxy) -> Settings:
    """Of a pod in a cluster in which all is well but for certificates."""
    await trust(masters, cluster, proxy)
    kubeconfig = await account(masters, cluster, tmp_path / "server.kubeconfig")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return Settings(home=str(tmp_path / "home"), port=port, kubeconfig=str(kubeconfig), node_name="pod-1")


class Issuer:
    """Stores certificates as the controllers do."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.authorities = {each: make_authority(each.common_name(1)) for each in (SERVER, STREAMS)}

    async def issue(self, leaf: Leaf) -> Pair:
        """Issue a certificate, and store it in the place of what is there."""
        authority = self.authorities[leaf.purpose]
        pair = leaf.request(service_names("virtplane-api", NAMESPACE)).issue(authority, Life(datetime.now(UTC), DAY))
        await self._client.create(SECRET, secret_of(leaf.secret, Kept(pair, DAY, authority.certificate)))
        return pair

    async def bundles(self) -> None:
        """Say whom to trust."""
        for purpose, authority in self.authorities.items():
            await self._client.create(CONFIG_MAP, bundle_of(purpose, [authority.certificate]))
            await self._client.create(SECRET, secret_of(purpose.authority, Kept(authority, DAY)))


@pytest.fixture
async def issuer(cluster: Server) -> AsyncIterator[Issuer]:
    async with Client.from_kubeconfig(cluster.kubeconfig("admin"), "tests") as client:
        yield Issuer(client)


async def shown(port: int, issuer: Issuer) -> x509.Certificate | None:
    """The certificate that kube-apiserver is shown, which knows the server by the name of its Service."""
    context = ssl.create_default_context(cadata=issuer.authorities[SERVER].certificate_pem.decode())
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=SERVICE)
    except OSError:
        return None
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(der)


async def test_it_serves_with_what_is_stored_as_soon_as_it_is(
    tmp_path: Path, settings: Settings, issuer: Issuer, masters: Api, proxy: FrontProxy
) -> None:
    stop, ready = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(serve(settings, stop, ready))
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{CONSUMERS}"

    async def has_said_what_it_needs() -> bool:
        answer = await masters.call("GET", path)
        return answer.code == 200 and SERVICE in answer.body["data"]["pod-1"]

    await eventually(has_said_what_it_needs)
    assert not ready.is_set()
    await issuer.bundles()
    first = await issuer.issue(API)
    await issuer.issue(AGENT_CLIENT)
    async with asyncio.timeout(SECONDS):
        await ready.wait()
    assert await shown(settings.port, issuer) == first.certificate
    (tmp_path / "server-ca.crt").write_bytes(issuer.authorities[SERVER].certificate_pem)
    context = proxy.context(tmp_path / "server-ca.crt")
    url = f"https://127.0.0.1:{settings.port}/readyz?verbose"
    async with aiohttp.request("GET", url, ssl=context, server_hostname=SERVICE, headers=MASTERS) as answer:
        assert (answer.status, "[+]cluster ok" in await answer.text()) == (200, True)
    await masters.call("DELETE", f"/api/v1/namespaces/{NAMESPACE}/secrets/{API.secret}")
    second = await issuer.issue(API)

    async def shows_the_second() -> bool:
        return await shown(settings.port, issuer) == second.certificate

    await eventually(shows_the_second)
    stop.set()
    async with asyncio.timeout(SECONDS):
        await serving


async def test_it_does_not_wait_for_ever(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membercertificates, "PATIENCE_SECONDS", 0)
    with pytest.raises(CertificatesMissingError, match="nobody has issued kubevirt-virt-api-certs, virtplane-api-"):
        await serve(settings, asyncio.Event(), asyncio.Event())


async def test_it_can_be_stopped_while_it_waits(settings: Settings) -> None:
    stop, ready = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(serve(settings, stop, ready))
    stop.set()
    async with asyncio.timeout(SECONDS):
        await serving
    assert not ready.is_set()


async def test_a_right_for_certificates_that_is_missing_is_named(settings: Settings, masters: Api) -> None:
    binding = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/rolebindings/virtplane-api"
    await masters.call("DELETE", binding)
    with pytest.raises(ServerError, match="not allow this server to list secrets kubevirt-virt-api-certs in namespace"):
        await serve(settings, asyncio.Event(), asyncio.Event())
