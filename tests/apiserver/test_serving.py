"""A running server serves what its files and the KubeVirt object say now, and tells when it cannot."""

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from prometheus_client.parser import text_string_to_metric_families

from certs.authority import Life, issue_server
from certs.contexts import PATIENCE
from certs.pair import Pair
from client.api import Client
from client.kinds import KUBEVIRT
from tests.server import Server, running_server

Kubectl = Callable[..., Awaitable[str]]
NOT_AFTER = "apiserver_serving_certificate_not_after_timestamp_seconds"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running_server(tmp_path, initial_configuration=True) as running:
        yield running


async def served(server: Server, most: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED) -> x509.Certificate:
    """Shake hands as anybody, and return the certificate that was shown."""
    context = ssl.create_default_context(cafile=str(server.pki.authority))
    context.maximum_version = most
    _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(shown)


async def metric(kubectl: Kubectl, name: str) -> float:
    text = await kubectl("get", "--raw", "/metrics")
    return next(s.value for f in text_string_to_metric_families(text) for s in f.samples if s.name == name)


def renewed(server: Server) -> Pair:
    life = Life(datetime.now(UTC), timedelta(days=100))
    return issue_server(Pair.load(server.pki.directory, "ca"), "virtplane", ["127.0.0.1"], life)


async def test_the_certificate_that_is_served_follows_its_files_and_is_what_metrics_tell(
    server: Server, kubectl: Kubectl
) -> None:
    first = await served(server)
    assert await metric(kubectl, NOT_AFTER) == first.not_valid_after_utc.timestamp()
    authority = Pair.load(server.pki.directory, "clients-ca").certificate
    told = await metric(kubectl, "apiserver_client_authority_not_after_timestamp_seconds")
    assert told == authority.not_valid_after_utc.timestamp()
    second = renewed(server)
    second.save(server.pki.directory, "server")
    assert await served(server) == second.certificate != first
    assert await metric(kubectl, NOT_AFTER) == second.certificate.not_valid_after_utc.timestamp()


async def test_who_monitors_may_read_metrics_and_little_else(kubectl: Kubectl) -> None:
    monitoring = ("--as=prometheus", "--as-group=system:monitoring")
    assert NOT_AFTER in await kubectl("get", "--raw", "/metrics", *monitoring)
    assert "Forbidden" in await kubectl("get", "--raw", "/metrics", "--as=prometheus", fails=True)
    assert "Forbidden" in await kubectl("get", "vm", *monitoring, fails=True)


async def test_files_that_cannot_be_served_make_the_server_unready_and_nothing_else(
    server: Server, kubectl: Kubectl
) -> None:
    first = await served(server)
    assert await kubectl("get", "--raw", "/readyz") == "ok"
    file = server.pki.pair("server")
    file.write_bytes(renewed(server).certificate_pem + renewed(server).key_pem)
    os.utime(file, (0, time.time() - 2 * PATIENCE.total_seconds()))
    assert await served(server) == first
    assert await metric(kubectl, NOT_AFTER) == first.not_valid_after_utc.timestamp()
    assert "[-]serving-certificate failed: reason withheld" in await kubectl("get", "--raw", "/readyz", fails=True)
    assert await kubectl("get", "--raw", "/livez") == "ok"
    renewed(server).save(server.pki.directory, "server")
    assert await kubectl("get", "--raw", "/readyz/serving-certificate") == "ok"


async def test_the_kubevirt_object_says_what_is_spoken_from_the_next_handshake_on(server: Server) -> None:
    tls12 = ssl.TLSVersion.TLSv1_2
    await served(server, tls12)
    async with Client.from_kubeconfig(server.kubeconfig("admin"), "tests") as client:
        (kubevirt,) = (await client.list(KUBEVIRT))["items"]
        named = kubevirt["metadata"]["name"], kubevirt["metadata"]["namespace"]
        for said, spoken in (({"minTLSVersion": "VersionTLS13"}, False), (None, True)):
            await client.patch(KUBEVIRT, *named, {"spec": {"configuration": {"tlsConfiguration": said}}})
            await served(server)
            if spoken:
                await served(server, tls12)
                continue
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await served(server, tls12)
