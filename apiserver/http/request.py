"""One request, and what is found out about it before it is answered."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from apiserver.auth.identities import ANONYMOUS
from apiserver.http.agents import Agents
from apiserver.http.api import Api
from apiserver.http.negotiation import Representation
from apiserver.http.requestinfo import parse
from apiserver.machinery.decoding import MAX_BODY_BYTES
from apiserver.machinery.resource import Caller
from kube.names import new_uuid

AUDIT_ID_HEADER = "Audit-ID"
"""A client may give its own, to find its request again; the answer always has one."""
_USABLE_ID = re.compile(r"[0-9A-Za-z._-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What requests are answered from."""

    api: Api
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when clients are to go elsewhere: each answer is the last on its connection then."""
    stopping: asyncio.Event
    """Set when the server stops; every watch then ends as if it had timed out, and every stream with a word of it."""
    agents: Agents | None = None
    """What streams need, where ``api`` has any."""


class Request(web.BaseRequest):
    """aiohttp's request, without its applications."""

    ATTRS = web.BaseRequest.ATTRS | {"site", "api", "audit_id", "info", "sender", "caller", "negotiated"}

    def __init__(
        self,
        site: Site,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> None:
        super().__init__(message, payload, protocol, writer, task, task.get_loop(), client_max_size=MAX_BODY_BYTES)
        self.site = site
        self.api = site.api
        self.audit_id = audit_id(self.headers)
        self.info = parse(self.method, self.path, self.query)
        """What it asks for."""
        self.sender: Caller = ANONYMOUS
        """Who has sent it, and acts as the caller."""
        self.caller: Caller = ANONYMOUS
        """Who it is done as."""
        self.negotiated: Representation | None = None
        """How the answer to a request for a resource is to look, once that is known to be possible."""

    @property
    def representation(self) -> Representation:
        """The same, for those who come after it is known."""
        if self.negotiated is None:
            raise RuntimeError("the representation is not negotiated yet")
        return self.negotiated

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        """Name the answer as it begins: streams do so long before they end.

        One that refuses to switch protocols is the last on its connection: a proxy may pass on as it is what the client
        sends after that, and lend it its own identity (CVE-2018-1002105).
        """
        response.headers[AUDIT_ID_HEADER] = self.audit_id
        is_last = hdrs.UPGRADE in self.headers or self.site.leaving.is_set()
        if is_last and response.status != HTTPStatus.SWITCHING_PROTOCOLS:
            response.force_close()
            response.headers[hdrs.CONNECTION] = "close"  # aiohttp has written this header before it asks


def audit_id(headers: Mapping[str, str]) -> str:
    """Return the id of a request with these ``headers``: the client's, if that is a plain short word, or a new one."""
    given = headers.get(AUDIT_ID_HEADER)
    return given if given and _USABLE_ID.fullmatch(given) else new_uuid()
