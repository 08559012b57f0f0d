"""A client in a pod: the ServiceAccount's token and authority, as the kubelet puts and renews them there."""

import datetime as dt
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import web
from kubernetes.aio.config import incluster_config

from certs.authority import issue_server, make_authority
from client import connecting
from client.api import Client
from client.errors import KubeconfigError
from client.kinds import NODE


@pytest.fixture
async def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[str]]:
    """The Authorization headers that a server is sent which the environment of this pod names."""
    authority = make_authority("a")
    (tmp_path / "ca.crt").write_bytes(authority.certificate_pem)
    issue_server(authority, "s", ["127.0.0.1"]).save(tmp_path, "server")
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        return web.json_response({"kind": "Node", "metadata": {"name": "one"}})

    app = web.Application()
    app.router.add_get("/{any:.*}", answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    monkeypatch.setattr(connecting, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(runner.addresses[0][1]))
    yield seen
    await runner.cleanup()


async def test_a_renewed_token_is_sent_within_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: list[str]
) -> None:
    (tmp_path / "token").write_text("first")
    async with Client.from_kubeconfig(None, "tests") as client:
        await client.get(NODE, "one")
        (tmp_path / "token").write_text("second")
        await client.get(NODE, "one")
        later = dt.datetime.now(dt.UTC).replace(tzinfo=None) + dt.timedelta(days=2)  # in whatever zone that clock is
        moved = SimpleNamespace(datetime=SimpleNamespace(now=lambda: later), timedelta=dt.timedelta)
        monkeypatch.setattr(incluster_config, "datetime", moved)
        await client.get(NODE, "one")
    assert shown == ["bearer first", "bearer first", "bearer second"]


async def test_outside_of_a_pod_there_is_no_service_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(KubeconfigError, match="ServiceAccount of this pod cannot be used"):
        async with Client.from_kubeconfig(None, "tests"):
            pass


async def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match=str(tmp_path / "absent")):
        async with Client.from_kubeconfig(tmp_path / "absent", "tests"):
            pass
