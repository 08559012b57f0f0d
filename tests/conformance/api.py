"""Requests over real HTTP, and the kinds that every rule is tried on."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from tests.server import Server

Object = dict[str, Any]
SECONDS = 20
"""How long anything may take to come true."""


@dataclass(frozen=True)
class Kind:
    """One kind, and where its objects are."""

    kind: str
    group: str
    version: str
    plural: str
    namespace: str = ""

    @property
    def api_version(self) -> str:
        """``group/version``, or the version alone."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def path(self) -> str:
        """The path of the collection."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{self.namespace}/{self.plural}" if self.namespace else f"{root}/{self.plural}"

    @property
    def qualified(self) -> str:
        """``plural.group``, or the plural alone."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def manifest(self, name: str, **metadata: Any) -> Object:
        """The least that can be created."""
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": {"name": name, **metadata}}


CONFIG_MAP = Kind("ConfigMap", "", "v1", "configmaps", "default")
NODE = Kind("Node", "", "v1", "nodes")
NAMESPACE = Kind("Namespace", "", "v1", "namespaces")
KINDS = (CONFIG_MAP, NODE)


def connected(
    server: Server, identity: str = "admin", version: aiohttp.HttpVersion = aiohttp.HttpVersion11
) -> aiohttp.ClientSession:
    """Return connections to a server as the administrator or as another; paths are relative to it."""
    context = ssl.create_default_context(cafile=str(server.pki.authority))
    context.load_cert_chain(server.pki.pair(identity))
    # As many as anybody wants: each watch has one.
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    return aiohttp.ClientSession(f"https://127.0.0.1:{server.port}", connector=connector, version=version)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    code: int
    headers: Mapping[str, str]
    body: Any


class Api:
    """Sends requests in JSON."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def call(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json", **query: str
    ) -> Answer:
        """Send one request; bytes go as they are, anything else as JSON."""
        given: dict[str, Any] = (
            {"data": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        )
        headers = {"Content-Type": content_type} if body is not None else {}
        limit = aiohttp.ClientTimeout(total=SECONDS)
        async with self.session.request(method, path, params=query, headers=headers, timeout=limit, **given) as answer:
            text = await answer.read()
            is_json = answer.content_type == "application/json"
            return Answer(answer.status, answer.headers, await answer.json() if text and is_json else text)

    async def create(self, kind: Kind, name: str, **metadata: Any) -> Object:
        """Create the least object of a kind."""
        answer = await self.call("POST", kind.path, kind.manifest(name, **metadata))
        assert answer.code == 201, answer.body
        return answer.body

    async def get(self, kind: Kind, name: str) -> Object | None:
        """Return an object, or None when there is none."""
        answer = await self.call("GET", f"{kind.path}/{name}")
        assert answer.code in (200, 404), answer.body
        return answer.body if answer.code == 200 else None

    async def patch(self, kind: Kind, name: str, patch: Any) -> Object:
        """Apply a merge patch."""
        answer = await self.call("PATCH", f"{kind.path}/{name}", patch, content_type="application/merge-patch+json")
        assert answer.code == 200, answer.body
        return answer.body

    async def delete(self, kind: Kind, name: str, options: Object | None = None, **query: str) -> Answer:
        """Delete an object."""
        return await self.call("DELETE", f"{kind.path}/{name}", options, **query)

    async def until(self, kind: Kind, holds: Callable[[dict[str, Object]], Any]) -> dict[str, Object]:
        """Wait until something is true of the objects of a kind, by name, and return them."""
        listed = (await self.call("GET", kind.path)).body
        objects = {item["metadata"]["name"]: item for item in listed["items"]}
        if holds(objects):
            return objects
        query = {"watch": "true", "resourceVersion": listed["metadata"]["resourceVersion"]}
        async with asyncio.timeout(SECONDS), self.session.get(kind.path, params=query) as changes:
            async for line in changes.content:
                event = orjson.loads(line)
                name = event["object"]["metadata"]["name"]
                if event["type"] == "DELETED":
                    objects.pop(name, None)
                else:
                    objects[name] = event["object"]
                if holds(objects):
                    return objects
        raise AssertionError(f"the watch of {kind.plural} ended early, with {sorted(objects)}")
