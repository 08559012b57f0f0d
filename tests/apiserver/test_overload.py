"""A server that is asked too much says so, names every request, and notes who did what."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from apiserver.auth.attributes import RequestInfo
from apiserver.auth.authorization import Authorizer
from apiserver.http import app as application
from apiserver.machinery.resource import Caller
from apiserver.storage.cache import WatchCache
from tests.server import Server, running_server

NAMESPACES = "/api/v1/namespaces"


@asynccontextmanager
async def client(server: Server, identity: str = "admin") -> AsyncIterator[aiohttp.ClientSession]:
    context = ssl.create_default_context(cafile=str(server.pki.authority))
    context.load_cert_chain(server.pki.pair(identity))
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    timeout = aiohttp.ClientTimeout(total=30)
    base = f"https://127.0.0.1:{server.port}"
    async with aiohttp.ClientSession(base, connector=connector, timeout=timeout) as session:
        yield session


async def test_a_caller_beyond_its_share_is_told_to_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, waiting = asyncio.Event(), asyncio.Event()
    real = WatchCache.list

    async def slow(self: WatchCache, resource: str, *selection: Any, **how: Any) -> object:
        if resource.startswith("configmaps"):
            waiting.set()
            await held.wait()
        return await real(self, resource, *selection, **how)

    monkeypatch.setattr(WatchCache, "list", slow)
    async with running_server(tmp_path, limit=2) as server, client(server) as admin, client(server, "agent") as agent:
        first = asyncio.create_task(admin.get("/api/v1/configmaps"))
        await waiting.wait()
        async with admin.get(NAMESPACES) as refused:
            status = await refused.json()
            assert (refused.status, status["reason"]) == (429, "TooManyRequests")
            assert refused.headers["Retry-After"] == "1"
        async with agent.get("/api/v1/nodes") as other, admin.get("/readyz") as health:
            assert (other.status, health.status) == (200, 200)
        held.set()
        async with await first as answer:
            assert answer.status == 200


async def test_who_waits_for_leave_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, waiting = asyncio.Event(), asyncio.Event()
    real = Authorizer.allowed

    async def slow(self: Authorizer, caller: Caller, asked: RequestInfo) -> bool:
        if asked.resource == "configmaps":
            waiting.set()
            await held.wait()
        return await real(self, caller, asked)

    monkeypatch.setattr(Authorizer, "allowed", slow)
    async with running_server(tmp_path, limit=2) as server, client(server) as admin:
        first = asyncio.create_task(admin.get("/api/v1/configmaps"))
        await waiting.wait()
        async with admin.get(NAMESPACES) as refused:
            assert refused.status == 429
        held.set()
        async with await first as answer:
            assert answer.status == 200


async def test_a_request_that_takes_too_long_ends_with_a_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stuck(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(application, "REQUEST_SECONDS", 0.05)
    async with running_server(tmp_path) as server, client(server) as admin:
        monkeypatch.setattr(WatchCache, "list", stuck)
        async with admin.get(NAMESPACES) as answer:
            status = await answer.json()
    assert (answer.status, status["reason"], status["details"]) == (504, "Timeout", {"retryAfterSeconds": 1})


async def test_a_request_says_itself_how_long_it_may_take_within_what_any_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stuck(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    async with running_server(tmp_path) as server, client(server) as admin:
        for harmless in ("3m", "0s", "-1s", ""):
            async with admin.get("/version", params={"timeout": harmless}) as answer:
                assert answer.status == 200, harmless
        async with admin.get("/version", params={"timeout": "invalid"}) as refused:
            status = await refused.json()
        assert (refused.status, status["reason"]) == (400, "BadRequest")
        assert "invalid timeout specified in the request URL" in status["message"]
        monkeypatch.setattr(WatchCache, "list", stuck)
        async with admin.get(NAMESPACES, params={"timeout": "50ms"}) as late:
            assert (late.status, (await late.json())["reason"]) == (504, "Timeout")


async def test_every_answer_names_its_request(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server, client(server) as admin:
        async with admin.get(NAMESPACES, headers={"Audit-ID": "my-own.id"}) as answer:
            assert answer.headers["Audit-ID"] == "my-own.id"
        async with admin.get("/nowhere", headers={"Audit-ID": "no such id, surely"}) as answer:
            assert answer.status == 404
            assert len(answer.headers["Audit-ID"]) == 36


async def test_who_did_what_is_in_the_audit_log_and_secrets_are_not(tmp_path: Path) -> None:
    policy, log = tmp_path / "policy.yaml", tmp_path / "audit.log"
    policy.write_text("rules: [{level: RequestResponse}]")
    secret = {"metadata": {"name": "s"}, "stringData": {"password": "hunter2"}}
    settings = {"metadata": {"name": "c"}, "data": {"colour": "green"}}
    async with running_server(tmp_path, audit_log=log, audit_policy=policy) as server, client(server) as admin:
        await admin.post(f"{NAMESPACES}/default/secrets", json=secret)
        await admin.post(f"{NAMESPACES}/default/configmaps", json=settings)
        async with client(server, "agent") as agent:
            await agent.delete(f"{NAMESPACES}/default/configmaps/c")
    assert "hunter2" not in log.read_text()
    events = [json.loads(line) for line in log.read_text().splitlines()]
    by_verb = {(each["verb"], each["objectRef"]["resource"]): each for each in events}
    created = by_verb["create", "configmaps"]
    assert created["user"]["username"] == "kubernetes-admin"
    assert created["objectRef"] == {"resource": "configmaps", "namespace": "default", "apiVersion": "v1"}
    assert created["requestObject"]["data"] == {"colour": "green"}
    assert created["responseObject"]["metadata"]["uid"]
    assert created["responseStatus"]["code"] == 201
    assert by_verb["create", "secrets"]["level"] == "Metadata"
    assert by_verb["delete", "configmaps"]["responseStatus"]["code"] == 403
