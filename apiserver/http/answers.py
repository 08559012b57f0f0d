"""Answers: objects, lists, Tables and Status, as the client asked to see them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
from aiohttp import web

from apiserver.auth.attributes import RequestInfo
from apiserver.http.api import Api
from apiserver.http.negotiation import JSON, include_object
from apiserver.http.pieces import Pieces
from apiserver.http.request import Request
from apiserver.http.shapes import Shaper
from apiserver.machinery.resource import Object, Resource
from apiserver.registry.codec import hub_object
from apiserver.registry.reading import Page
from apiserver.storage.contract import Record

Answer = Awaitable[web.StreamResponse]
Handler = Callable[[Request, Api, Resource, RequestInfo], Answer]
"""Answers one verb on a resource."""
_WARNINGS_LENGTH = 4096
_WARNING_LENGTH = 256


def json(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Answer with any JSON value."""
    return raw(orjson.dumps(body), status=status, headers=headers)


def document(body: Any, content_type: str) -> web.Response:
    """Answer with a JSON value that has a media type of its own."""
    return web.Response(body=orjson.dumps(body), content_type=content_type)


def raw(body: bytes | Pieces, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Answer with bytes that are JSON already."""
    return web.Response(body=body, status=status, content_type=JSON, headers=headers)


def one(
    request: Request,
    resource: Resource,
    version: str,
    record: Record,
    *,
    status: int = 200,
    warnings: Sequence[str] = (),
) -> web.Response:
    """Answer with one object."""
    body = shaper(request, resource, version).one(record)
    return _warned(raw(body, status=status), resource, version, warnings)


def unstored(resource: Resource, version: str, obj: Object, warnings: Sequence[str]) -> web.Response:
    """Answer with an object that has been answered for and is not kept."""
    return _warned(json(obj, status=201), resource, version, warnings)


def acted(obj: Object, warnings: Sequence[str], *, status: int = 200) -> web.Response:
    """Answer with what came of an action."""
    return _with_warnings(json(obj, status=status), warnings)


async def many(request: Request, resource: Resource, version: str, page: Page) -> web.Response:
    """Answer with a list."""
    metadata: dict[str, Any] = {"resourceVersion": str(page.revision)}
    if page.continue_token:
        metadata["continue"] = page.continue_token
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
    body = await shaper(request, resource, version).many(page.records, metadata)
    return _warned(raw(body), resource, version, ())


def shaper(request: Request, resource: Resource, version: str) -> Shaper:
    """Return what encodes records as the client of ``request``, which has been negotiated, wants to see them."""
    wanted = request.representation
    include = include_object(request.query) if wanted.shape == "Table" else "Metadata"
    return Shaper(resource, version, wanted, include)


def success(resource: Resource, record: Record) -> web.Response:
    """Answer a delete that removed the object at once."""
    metadata = hub_object(record)["metadata"]
    details = {"name": record.key.name, "kind": resource.plural, "uid": metadata["uid"]}
    if resource.group:
        details["group"] = resource.group
    return json({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})


def _warned(response: web.Response, resource: Resource, version: str, warnings: Sequence[str]) -> web.Response:
    deprecation = resource.version(version).deprecation
    return _with_warnings(response, [deprecation, *warnings] if deprecation else warnings)


def _with_warnings(response: web.Response, texts: Sequence[str]) -> web.Response:
    for header in warning_headers(texts):
        response.headers.add("Warning", header)
    return response


def warning_headers(texts: Sequence[str]) -> list[str]:
    """Return the Warning headers that carry ``texts``, each text once and all of them bounded.

    Source: kube-apiserver's warning recorder: beyond 4,096 characters each text is cut, and then the rest left out.
    """
    distinct = list(dict.fromkeys(texts))
    if sum(map(len, distinct)) > _WARNINGS_LENGTH:
        distinct = [text[:_WARNING_LENGTH] for text in distinct]
    headers: list[str] = []
    room = _WARNINGS_LENGTH
    for text in distinct:
        if room <= 0:
            break
        room -= len(text)
        headers.append(f'299 - "{_quoted(text)}"')
    return headers


def _quoted(text: str) -> str:
    """Escape a text for a quoted-string of RFC 9110, so that no field name of a client's can break the header."""
    plain = text.isascii() and text.isprintable()
    printable = text if plain else "".join(character if " " <= character <= "~" else "?" for character in text)
    return printable.replace("\\", "\\\\").replace('"', '\\"')
