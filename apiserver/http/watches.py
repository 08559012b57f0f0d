"""Watch streams: one JSON document a change, chunked, ended gracefully."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

import orjson
from aiohttp import web

from apiserver.auth.attributes import RequestInfo
from apiserver.http import answers
from apiserver.http.api import Api
from apiserver.http.negotiation import JSON
from apiserver.http.queries import flag, number, selection
from apiserver.machinery.errors import StatusError
from apiserver.machinery.resource import Resource
from apiserver.registry.codec import encoded
from apiserver.registry.watching import Change, WatchOptions, watch
from apiserver.storage.contract import Record

BOOKMARK_SECONDS = 60
"""How often a quiet watcher that allows bookmarks learns the current revision (kube-apiserver's cacher)."""
MIN_SECONDS = 1800
"""A watch without ``timeoutSeconds`` lives this long, up to twice that (kube-apiserver MinRequestTimeout)."""

STOPPING = web.AppKey("stopping", asyncio.Event)
"""Set when the server stops; every watch then ends as if it had timed out."""


async def stream(request: web.Request, api: Api, resource: Resource, info: RequestInfo) -> web.StreamResponse:
    """Answer a watch until its timeout, the client's or the server's end."""
    query = request.query
    writer = _EventWriter(request, resource, info.version, as_table=answers.wants_table(request))
    options = WatchOptions(
        namespace=info.namespace or None,
        selects=selection(resource, query, info.name),
        resource_version=query.get("resourceVersion", ""),
        send_initial_events=flag(query, "sendInitialEvents"),
    )
    seconds = number(query, "timeoutSeconds") or random.uniform(MIN_SECONDS, 2 * MIN_SECONDS)  # noqa: S311 - spreads load
    response = web.StreamResponse(headers={"Content-Type": JSON, "Cache-Control": "no-cache, private"})
    await response.prepare(request)
    bookmarks = flag(query, "allowWatchBookmarks")
    # A watch usually ends because its client goes away, which is learnt by writing: that is no failure.
    with suppress(ConnectionError):
        async with aclosing(watch(resource, api.store, options)) as changes:
            try:
                async for change in _until(changes, request.app[STOPPING], seconds, api if bookmarks else None):
                    await response.write(writer.line(change))
            except StatusError as error:
                await response.write(orjson.dumps({"type": "ERROR", "object": error.status()}) + b"\n")
        await response.write_eof()
    return response


async def _until(
    changes: AsyncIterator[Change], stopping: asyncio.Event, seconds: float, bookmarks_from: Api | None
) -> AsyncGenerator[Change, None]:
    """Yield changes, and bookmarks when quiet, until ``seconds`` are over or the server stops."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    stopped = asyncio.ensure_future(stopping.wait())
    upcoming: asyncio.Future[Change] | None = None
    try:
        while (left := end - loop.time()) > 0:
            if upcoming is None:
                upcoming = asyncio.ensure_future(anext(changes))
            latest = await bookmarks_from.store.latest() if bookmarks_from else 0
            await asyncio.wait(
                (upcoming, stopped), timeout=min(left, BOOKMARK_SECONDS), return_when=asyncio.FIRST_COMPLETED
            )
            if upcoming.done():
                yield upcoming.result()
                upcoming = None
            elif stopped.done():
                return
            elif bookmarks_from:
                # ``latest`` was read before the silence: nothing at or below it can still be on its way.
                yield Change("BOOKMARK", latest, None)
    finally:
        stopped.cancel()
        if upcoming is not None:
            upcoming.cancel()
            await asyncio.wait((upcoming,))


class _EventWriter:
    """Encodes changes for one watcher."""

    def __init__(self, request: web.Request, resource: Resource, version: str, *, as_table: bool) -> None:
        self._request = request
        self._resource = resource
        self._version = version
        self._as_table = as_table

    def line(self, change: Change) -> bytes:
        """Return one line of the stream."""
        if change.record is None:
            body = orjson.dumps(self._bookmark(change))
        elif self._as_table:
            body = orjson.dumps(self._table(change, [change.record]))
        else:
            body = encoded(change.record, self._resource, self._version)
        return b'{"type":"' + change.type.encode() + b'","object":' + body + b"}\n"

    def _bookmark(self, change: Change) -> dict[str, Any]:
        metadata: dict[str, Any] = {"resourceVersion": str(change.revision), "creationTimestamp": None}
        if change.initial_events_end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        if self._as_table:
            return self._table(change, [])
        api_version = self._resource.api_version(self._version)
        return {"kind": self._resource.kind, "apiVersion": api_version, "metadata": metadata}

    def _table(self, change: Change, records: list[Record]) -> dict[str, Any]:
        metadata = {"resourceVersion": str(change.revision)}
        return answers.as_table(self._request, self._resource, self._version, records, metadata)
