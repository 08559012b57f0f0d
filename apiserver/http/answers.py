"""Answers: objects, lists, Tables and Status, as the client asked to see them."""

from collections.abc import Awaitable, Sequence
from functools import cache
from typing import Any

import orjson
from aiohttp import web

from apiserver.http.negotiation import JSON, representation
from apiserver.machinery import errors
from apiserver.machinery.resource import Column, Resource
from apiserver.machinery.table import TableMaker
from apiserver.registry.codec import encoded, hub_object, versioned_object
from apiserver.registry.reading import Page
from apiserver.storage.contract import Record

Answer = Awaitable[web.StreamResponse]


def json(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Answer with any JSON value."""
    return raw(orjson.dumps(body), status=status, headers=headers)


def raw(body: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Answer with bytes that are JSON already."""
    return web.Response(body=body, status=status, content_type=JSON, headers=headers)


def one(
    request: web.Request,
    resource: Resource,
    version: str,
    record: Record,
    *,
    status: int = 200,
    warnings: Sequence[str] = (),
) -> web.Response:
    """Answer with one object."""
    if wants_table(request):
        body = orjson.dumps(as_table(request, resource, version, [record], {"resourceVersion": str(record.revision)}))
    else:
        body = encoded(record, resource, version)
    return _warned(raw(body, status=status), resource, version, warnings)


def many(request: web.Request, resource: Resource, version: str, page: Page) -> web.Response:
    """Answer with a list, joining bytes that are ready."""
    metadata: dict[str, Any] = {"resourceVersion": str(page.revision)}
    if page.continue_token:
        metadata["continue"] = page.continue_token
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
    if wants_table(request):
        body = orjson.dumps(as_table(request, resource, version, page.records, metadata))
    else:
        head = {"apiVersion": resource.api_version(version), "kind": resource.list_kind, "metadata": metadata}
        items = b",".join([encoded(record, resource, version) for record in page.records])
        body = orjson.dumps(head)[:-1] + b',"items":[' + items + b"]}"
    return _warned(raw(body), resource, version, ())


def wants_table(request: web.Request) -> bool:
    """Return True when the client asks for a Table rather than for the objects themselves. Raises 406."""
    return representation(request.headers.get("Accept", "")).wants == "Table"


def as_table(
    request: web.Request, resource: Resource, version: str, records: Sequence[Record], metadata: dict[str, Any]
) -> dict[str, Any]:
    """Return a ``meta.k8s.io/v1`` Table of ``records``; ``metadata`` is that of the list. Raises 400."""
    include = request.query.get("includeObject", "Metadata")
    if include not in ("None", "Metadata", "Object"):
        raise errors.bad_request(f"includeObject {include!r} is not one of None, Metadata, Object")
    shown = [versioned_object(record, resource, version) for record in records]
    return _table_maker(resource.version(version).columns).table(shown, include=include, metadata=metadata)


@cache
def _table_maker(columns: tuple[Column, ...]) -> TableMaker:
    return TableMaker(columns)


def success(resource: Resource, record: Record) -> web.Response:
    """Answer a delete that removed the object at once."""
    metadata = hub_object(record)["metadata"]
    details = {"name": record.key.name, "kind": resource.plural, "uid": metadata["uid"]}
    if resource.group:
        details["group"] = resource.group
    return json({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})


def _warned(response: web.Response, resource: Resource, version: str, warnings: Sequence[str]) -> web.Response:
    deprecation = resource.version(version).deprecation
    for text in [*([deprecation] if deprecation else []), *warnings]:
        response.headers.add("Warning", f'299 - "{_quoted(text)}"')
    return response


def _quoted(text: str) -> str:
    """Escape a text for a quoted-string of RFC 9110, so that no field name of a client's can break the header."""
    printable = "".join(character if " " <= character <= "~" else "?" for character in text)
    return printable.replace("\\", "\\\\").replace('"', '\\"')
