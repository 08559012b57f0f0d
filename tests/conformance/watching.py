"""A client's side of a watch."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from tests.conformance.api import SECONDS, Api, Object

Event = dict[str, Any]


@dataclass
class Watch:
    """An open watch."""

    response: aiohttp.ClientResponse

    async def next(self) -> Event:
        """Return the next event."""
        async with asyncio.timeout(SECONDS):
            line = await self.response.content.readline()
        assert line, "the watch ended"
        return orjson.loads(line)

    async def take(self, count: int) -> list[Event]:
        """Return the next events."""
        return [await self.next() for _ in range(count)]

    async def rest(self) -> list[Event]:
        """Return everything until the server ends the watch, as it should."""
        async with asyncio.timeout(SECONDS):
            return [orjson.loads(line) async for line in self.response.content]


@asynccontextmanager
async def watching(api: Api, path: str, accept: str = "application/json", **query: str) -> AsyncGenerator[Watch]:
    """Open a watch."""
    no_limit = aiohttp.ClientTimeout(total=None, connect=SECONDS)
    headers = {"Accept": accept}
    query = {"watch": "true", **query}
    async with api.session.get(path, params=query, headers=headers, timeout=no_limit) as response:
        assert response.status == 200, await response.text()
        yield Watch(response)


def told(events: list[Event]) -> list[tuple[str, str]]:
    """Return what happened to which object."""
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events]


def revision(obj: Object) -> str:
    """Return the resourceVersion of an object or a list."""
    return obj["metadata"]["resourceVersion"]
