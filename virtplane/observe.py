"""What the server of this installation says about itself, its node and its guests; asked as the administrator."""

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from certs.bootstrap import Pki
from virtplane.home import Home

TIMEOUT = aiohttp.ClientTimeout(total=5)
INSTANCES = "/apis/kubevirt.io/v1/virtualmachineinstances"


class Observer:
    """Asks a server that may not answer: then the answer is None."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def is_ready(self) -> bool:
        """Whether the server is ready for requests."""
        try:
            async with self._session.get("/readyz") as answer:
                return answer.ok
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def node_is_ready(self, name: str) -> bool | None:
        """Whether the node is Ready; None if there is none, or no answer."""
        node = await self._json(f"/api/v1/nodes/{name}")
        if node is None:
            return None
        conditions = node.get("status", {}).get("conditions", ())
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    async def guests(self, node: str) -> int | None:
        """How many guests run on the node; None without an answer."""
        found = await self._json(f"{INSTANCES}?fieldSelector=status.nodeName={node},status.phase=Running")
        return None if found is None else len(found["items"])

    async def _json(self, path: str) -> dict[str, Any] | None:
        try:
            async with self._session.get(path) as answer:
                return await answer.json() if answer.ok else None
        except (aiohttp.ClientError, TimeoutError):
            return None


@asynccontextmanager
async def observing(home: Home, server: str) -> AsyncGenerator[Observer]:
    """Open an observer of the server at the URL. Raises OSError and ssl.SSLError without usable certificates."""
    pki = Pki(home.pki)
    tls = ssl.create_default_context(cafile=str(pki.authority))
    tls.load_cert_chain(pki.pair("admin"))
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(server, connector=connector, timeout=TIMEOUT) as session:
        yield Observer(session)
