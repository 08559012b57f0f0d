"""Reads that need nothing but memory: one object, answered between two lines of the event loop.

Most requests are gets, and most of a get is the machinery that other requests need: a task, a timer, a parser, and
objects for the request and its answer. A get that must wait for nobody is answered here instead, while its bytes are
being received. It is asked the same questions as any other request: who sends it, may they, what is stored. Whenever
the answer would be anything but the object, there is none from here, and the request goes its usual way, which says
what is wrong.
"""

import asyncio
import logging
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import structlog
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE

from apiserver.audit import AuditLog, Level
from apiserver.auth.attributes import RequestInfo
from apiserver.auth.impersonation import PREFIX
from apiserver.http.content import GZIP_BYTES
from apiserver.http.metrics import Metrics, Tally
from apiserver.http.negotiation import JSON, Representation, representation, wants_pretty
from apiserver.http.request import AUDIT_ID_HEADER, Site, audit_id
from apiserver.http.requestinfo import parse
from apiserver.machinery.errors import StatusError
from apiserver.registry.codec import encoder
from apiserver.storage.contract import Key, Record, Revision

REMEMBERED = 1024
"""How many kinds and namespaces are remembered by their paths."""
_PLAIN = Representation()
_PATH = re.compile(rb"GET (/apis?(?:/[A-Za-z0-9][A-Za-z0-9._-]*){3,}) HTTP/1\.1")
"""A request line without a query and without anything that means something else than it says."""
_CHANGES_THE_ANSWER = frozenset({"content-length", "transfer-encoding", "upgrade", "expect"})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What all objects of a kind in one namespace have in common, read in one version."""

    asked: RequestInfo
    """The get of any of them: the name is empty."""
    storage_name: str
    encode: Callable[[Record], bytes]
    tally: Tally


@dataclass(slots=True)
class QuickRead:
    """A request for an object by who may read it."""

    kind: _Kind
    name: str
    headers: Mapping[str, str]
    began: float


class QuickReads:
    """Answers requests for one object, where memory can tell."""

    def __init__(self, site: Site, metrics: Metrics, audit: AuditLog | None) -> None:
        self._api = site.api
        self._leaving = site.leaving
        self._metrics = metrics
        self._audit = audit
        self._kinds: dict[str, _Kind] = {}
        """By the path of the collection."""
        self._verbose = log.is_enabled_for(logging.DEBUG)

    def understands(self, headers: Mapping[str, str]) -> bool:
        """Return True when a request with these ``headers`` and no body is for the plain object, as its sender."""
        names = {name.lower() for name in headers}
        if not names.isdisjoint(_CHANGES_THE_ANSWER) or any(name.startswith(PREFIX) for name in names):
            return False
        try:
            return representation(headers.get("Accept", "")) == _PLAIN and not wants_pretty({}, headers)
        except StatusError:
            return False

    def read(self, line: bytes, headers: Mapping[str, str], connection: ssl.SSLObject | None) -> "QuickRead | None":
        """Return what a request with these headers, which are understood, asks for; None to have others answer it."""
        began = time.perf_counter()
        if (matched := _PATH.fullmatch(line)) is None or self._leaving.is_set():
            return None
        path = matched[1].decode()
        place, _, name = path.rpartition("/")
        kind = self._kinds.get(place) or self._find(place, path)
        if kind is None or not self._permitted(kind.asked, headers, connection):
            return None
        return QuickRead(kind, name, headers, began)

    def newest(self) -> Revision | asyncio.Future[Revision]:
        """Return of which revision an answer must be: or who will know, which no reader may cancel."""
        return self._api.store.newest()

    def answer(self, read: "QuickRead", revision: Revision) -> bytes | None:
        """Return the whole answer, not older than ``revision``; None to have others do it."""
        store, kind = self._api.store, read.kind
        if store.revision < revision:
            return None
        record = store.peek(Key(kind.storage_name, kind.asked.namespace, read.name))
        if record is None or len(body := kind.encode(record)) > GZIP_BYTES:
            return None
        identity, seconds = audit_id(read.headers), time.perf_counter() - read.began
        kind.tally.add(seconds)
        if self._verbose:
            path, took = f"{kind.asked.path}/{read.name}", round(seconds * 1000, 2)
            log.debug("request", audit_id=identity, method="GET", path=path, code=200, milliseconds=took)
        return _response(body, identity)

    def _permitted(self, asked: RequestInfo, headers: Mapping[str, str], connection: ssl.SSLObject | None) -> bool:
        """Return True when the sender may read all there is of a kind in a place, and nobody keeps account of it."""
        caller = self._api.authenticator.known_caller(connection, headers)
        if caller is None or caller.node is not None or not self._api.authorization.known_to_allow(caller, asked):
            return False
        return self._audit is None or self._audit.policy.level(caller, asked) is Level.NONE

    def _find(self, place: str, path: str) -> "_Kind | None":
        """Return the kind of the object at ``path``, unless there is more to reading it than that."""
        info = parse("GET", path, {})
        resource = self._api.resources.get((info.group, info.resource))
        if resource is None or info.subresource or not info.name or bool(info.namespace) != resource.namespaced:
            return None
        served = next((each for each in resource.versions if each.name == info.version), None)
        if served is None or served.deprecation or resource.transient or "get" not in resource.verbs:
            return None
        if len(self._kinds) >= REMEMBERED:
            self._kinds.clear()
        kind = self._kinds[place] = _Kind(
            asked=replace(info, path=place, name=""),
            storage_name=resource.storage_name,
            encode=encoder(resource, info.version),
            tally=self._metrics.tally(info, "", 200),
        )
        return kind


def _response(body: bytes, identity: str) -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\n"
        f"Content-Type: {JSON}\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"Date: {rfc822_formatted_time()}\r\n"
        f"Server: {SERVER_SOFTWARE}\r\n"
        f"{AUDIT_ID_HEADER}: {identity}\r\n\r\n"
    ).encode() + body
