"""Watch streams: one JSON document a change, chunked or over a WebSocket, ended gracefully."""

import asyncio
import math
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import orjson
from aiohttp import web

from apiserver.auth.attributes import RequestInfo
from apiserver.http import answers
from apiserver.http.api import Api
from apiserver.http.negotiation import JSON
from apiserver.http.queries import number, watch_options
from apiserver.http.request import Request
from apiserver.http.shapes import Shaper
from apiserver.http.watchsinks import Sink, chunk, open_sink
from apiserver.machinery import errors
from apiserver.machinery.errors import StatusError
from apiserver.machinery.resource import Resource
from apiserver.registry import watching
from apiserver.registry.reading import told_by_storage
from apiserver.storage.contract import Batch, CompactedError, Record, Revision, Store, UnavailableError, Watch

BOOKMARK_SECONDS = 60.0
"""How often a watcher that allows bookmarks learns the current revision (kube-apiserver's cacher)."""
LAST_BOOKMARK_SECONDS = 2.0
"""How long before its timeout a watcher gets the last one (``nextBookmarkTime`` there)."""
MIN_SECONDS = 1800
"""A watch without ``timeoutSeconds`` lives this long, up to twice that (kube-apiserver MinRequestTimeout)."""
PRESENCE_SECONDS = 15.0
"""How soon a quiet watch learns that its client is gone."""
STUCK_SECONDS = 30.0
"""How long after its timeout a client that does not read what it is sent keeps its connection."""
WRITE_EVENTS = 256
"""How many events are written at once."""


async def stream(request: Request, api: Api, resource: Resource, info: RequestInfo) -> web.StreamResponse:
    """Answer a watch until its timeout, the client's or the server's end.

    What goes wrong once the options are understood is told as an ERROR event, as kube-apiserver does.
    """
    lines = _Lines(answers.shaper(request, resource, info.version))
    options = watch_options(resource, info, request.query)
    watching.check(resource, options)
    seconds = number(request.query, "timeoutSeconds") or random.uniform(MIN_SECONDS, 2 * MIN_SECONDS)  # noqa: S311 - spreads load
    sink = await open_sink(request, {"Content-Type": JSON, "Cache-Control": "no-cache, private"})
    session = _Session(sink, lines, request.site.stopping, seconds, bookmarks=options.bookmarks)
    # A watch usually ends because its client goes away, which is learnt by writing: that is no failure.
    with suppress(ConnectionError):
        try:
            async with asyncio.timeout(seconds + STUCK_SECONDS):
                await session.serve(api.store, resource, options)
                await sink.end()
        except TimeoutError:
            sink.abort()
    return sink.response


class _Session:
    """One watch, from its first line to its last."""

    def __init__(
        self, sink: Sink, lines: "_Lines", stopping: asyncio.Event, seconds: float, *, bookmarks: bool
    ) -> None:
        self._sink = sink
        self._lines = lines
        self._stopping = stopping
        self._clock = asyncio.get_running_loop().time
        self._end = self._clock() + seconds
        self._bookmarks = bookmarks
        self._bookmark_at = self._next_bookmark()

    async def serve(self, store: Store, resource: Resource, options: watching.WatchOptions) -> None:
        """Send the initial state and then every change, until the end; an ERROR event when that cannot go on."""
        try:
            await self._initial_and_changes(store, resource, options)
        except StatusError as error:
            await self._sink.send([self._lines.error(error)])
        except CompactedError as gone:
            error = errors.expired(f"too old resource version: {gone.asked} ({gone.oldest})")
            await self._sink.send([self._lines.error(error)])
        except UnavailableError:
            error = errors.unavailable("the database cannot be reached; please try again")
            await self._sink.send([self._lines.error(error)])

    async def _initial_and_changes(self, store: Store, resource: Resource, options: watching.WatchOptions) -> None:
        start = await watching.start(resource, store, options)
        await self._send([("ADDED", record) for record in start.initial])
        if options.send_initial_events and self._bookmarks:
            await self._sink.send([self._lines.bookmark(start.after, initial_events_end=True)])
        with told_by_storage():
            async with store.watch(
                resource.storage_name, options.selection, after=start.after, tell=self._tell
            ) as watch:
                stopped = asyncio.ensure_future(self._stopping.wait())
                stopped.add_done_callback(lambda _: watch.wake())
                self._sink.on_close(watch.wake)
                try:
                    await self._changes(watch)
                finally:
                    stopped.cancel()

    async def _changes(self, watch: Watch) -> None:
        loop = asyncio.get_running_loop()
        while not self._over():
            pause = min(self._end, self._bookmark_at, loop.time() + PRESENCE_SECONDS)
            alarm = loop.call_at(pause, watch.wake)
            try:
                while events := await watch.take():
                    await self._send([(event.kind, event.record) for event in events])
                    if self._over() or loop.time() >= pause:
                        break
            finally:
                alarm.cancel()
            if self._bookmarks and (loop.time() >= self._bookmark_at or self._stopping.is_set()):
                await self._sink.send([self._lines.bookmark(watch.revision)])
                self._bookmark_at = self._next_bookmark()

    def _tell(self, batch: Batch) -> bool:
        """Send what has just happened without waking anybody, if there is room for it."""
        if len(batch.events) > WRITE_EVENTS or not self._sink.has_room:
            return False
        self._sink.put(self._lines.chunk(batch))
        return True

    def _over(self) -> bool:
        return self._clock() >= self._end or self._stopping.is_set() or self._sink.closed

    async def _send(self, changes: Sequence[tuple[str, Record]]) -> None:
        for first in range(0, len(changes), WRITE_EVENTS):
            await self._sink.send([self._lines.change(*each) for each in changes[first : first + WRITE_EVENTS]])

    def _next_bookmark(self) -> float:
        now = self._clock()
        due = min(now + BOOKMARK_SECONDS, self._end - LAST_BOOKMARK_SECONDS)
        return due if self._bookmarks and due > now else math.inf


class _Lines:
    """Encodes what one watcher is told, a line each."""

    def __init__(self, shaper: Shaper) -> None:
        self._shaper = shaper

    def change(self, kind: str, record: Record) -> bytes:
        """Return a change of one object."""
        return _line(kind, self._shaper.change(record))

    def chunk(self, batch: Batch) -> bytes:
        """Return changes as one chunk of an answer, which all who are told of the batch and see the same share."""
        form = self._shaper.common
        return self._chunk(batch) if form is None else batch.form(form, self._chunk)

    def bookmark(self, revision: Revision, *, initial_events_end: bool = False) -> bytes:
        """Return word that everything up to ``revision`` has been told."""
        metadata: dict[str, Any] = {"resourceVersion": str(revision)}
        if initial_events_end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        return _line("BOOKMARK", self._shaper.bookmark(metadata))

    def error(self, error: StatusError) -> bytes:
        """Return why the watch ends."""
        return _line("ERROR", orjson.dumps(error.status()))

    def _chunk(self, batch: Batch) -> bytes:
        return chunk([self.change(event.kind, event.record) for event in batch.events])


def _line(kind: str, body: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), body)
