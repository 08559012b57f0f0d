"""In a cluster: a server cannot begin before its certificate is there, and kube-apiserver knows it by APIServices."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from certs.bootstrap import Pki
from certs.held import Held
from certs.objects import bundled_in
from certs.pair import Pair
from certs.purposes import AGENT_CLIENT, API, PURPOSES, SERVER, STREAMS
from certs.trust import signed_by
from client import kinds
from client.api import Client
from client.informer import Informer
from client.kinds import API_SERVICE, CONFIG_MAP, SECRET
from controllers.certificates import aggregation
from controllers.manager import Options, run
from kube.installation import NAMESPACE
from kube.objects import Object
from tests.kubernetes import catalogue, running_cluster
from virtplane.certificates import CertificateFiles, Consumer

SECONDS = 20
OURS, OTHER = "v1.kubevirt.io", "v1.example.test"


def api_service(name: str, namespace: str = NAMESPACE) -> Object:
    return {"metadata": {"name": name}, "spec": {"service": {"name": "virtplane-api", "namespace": namespace}}}


class Cluster:
    """What is stored there."""

    def __init__(self, client: Client, pki: Pki) -> None:
        self.client, self.pki = client, pki
        self.services = Informer(client, API_SERVICE)
        self.secrets = Informer(client, SECRET, namespace=NAMESPACE)
        self.config_maps = Informer(client, CONFIG_MAP, namespace=NAMESPACE)
        self.informers = (self.services, self.secrets, self.config_maps)
        self.too_early = 0
        """How many certificates were stored while an APIService did not hold who signed them."""
        self._changed = asyncio.Event()
        self.secrets.add_handler(lambda _old, new: self._check(new))
        for informer in self.informers:
            informer.add_handler(lambda _old, _new: self._changed.set())

    def _check(self, secret: Object | None) -> None:
        if secret is None or secret["metadata"]["name"] != API.secret or not self.services.all():
            return
        leaf = x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))
        self.too_early += not any(signed_by(leaf, each) for each in self.trusted(OURS))

    def trusted(self, name: str) -> list[x509.Certificate]:
        service = self.services.get(name)
        held = base64.b64decode(service["spec"].get("caBundle", "")) if service else b""
        return [*bundled_in({"data": {"ca-bundle": held.decode()}})]

    def bundle(self) -> list[x509.Certificate]:
        return [*bundled_in(self.config_maps.get(SERVER.authority, NAMESPACE))]

    def is_settled(self) -> bool:
        """Return True when one authority is all that is trusted, and signed what the server has."""
        if len(self.bundle()) != 1 or not self.pki.pair(API.file).exists():
            return False
        return signed_by(Pair.load(self.pki.directory, API.file).certificate, self.bundle()[0])

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(SECONDS):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    """A cluster that does not serve KubeVirt's kinds yet, where controllers run and a server waits for certificates."""
    monkeypatch.setattr(aggregation, "SETTLING", timedelta(seconds=0.3))
    pki = Pki(tmp_path / "member")
    pki.directory.mkdir()
    held = Held(pki=pki, leaves=(API, AGENT_CLIENT), purposes=(SERVER, STREAMS))
    consumer = Consumer(
        name="pod-1", held=held, needed=lambda: {API: ("virtplane-api.virtplane.svc",), AGENT_CLIENT: ()}
    )
    stop = asyncio.Event()
    schemas = catalogue(tmp_path / "schemas")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running_cluster(tmp_path / "cluster", schemas, machines=False))
        kubeconfig = server.kubeconfig("loopback")
        client = await stack.enter_async_context(Client.from_kubeconfig(kubeconfig, "tests"))
        await client.create(kinds.NAMESPACE, {"metadata": {"name": NAMESPACE}})
        group = await stack.enter_async_context(asyncio.TaskGroup())
        stack.callback(stop.set)
        options = Options(kubeconfig=kubeconfig, leader_elect=False, core_controllers=False)
        group.create_task(run(options, stop))
        cluster = Cluster(client, pki)
        following = [each.run() for each in cluster.informers]
        tasks = [
            group.create_task(each) for each in (*following, CertificateFiles(client, consumer, lambda: None).run())
        ]
        yield cluster
        for task in tasks:
            task.cancel()


async def test_the_first_certificates_wait_for_no_kubevirt_object_and_kube_apiserver_learns_whom_to_trust(
    cluster: Cluster,
) -> None:
    await cluster.until(cluster.is_settled)
    assert {each.authority for each in PURPOSES} <= cluster.secrets.by_name().keys()
    await cluster.client.create(API_SERVICE, api_service(OURS))
    await cluster.client.create(API_SERVICE, api_service(OTHER, "elsewhere"))
    await cluster.until(lambda: cluster.trusted(OURS) == cluster.bundle())
    assert not cluster.trusted(OTHER)


async def test_kube_apiserver_trusts_a_new_authority_before_the_server_shows_what_it_signed(cluster: Cluster) -> None:
    await cluster.client.create(API_SERVICE, api_service(OURS))
    await cluster.until(lambda: cluster.is_settled() and cluster.trusted(OURS) == cluster.bundle())
    for _ in range(2):
        old = cluster.bundle()
        await cluster.client.delete(SECRET, SERVER.authority, NAMESPACE)
        await cluster.until(lambda old=old: cluster.is_settled() and cluster.bundle() != old)
        await cluster.until(lambda: cluster.trusted(OURS) == cluster.bundle())
    assert not cluster.too_early


async def test_a_bundle_that_somebody_else_wrote_is_put_right(cluster: Cluster) -> None:
    service = api_service(OURS)
    service["spec"]["caBundle"] = base64.b64encode(b"no certificates").decode()
    await cluster.client.create(API_SERVICE, service)
    await cluster.until(lambda: cluster.bundle() and cluster.trusted(OURS) == cluster.bundle())
