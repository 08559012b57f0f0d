"""The last step of an answer: as YAML, indented, or compressed, where the client asked for that.

Source: ``k8s.io/apiserver/pkg/endpoints/handlers/responsewriters``: gzip at level 1 above 128 KiB.
"""

import asyncio
import zlib
from collections.abc import Callable

import orjson
from aiohttp import hdrs, web

from apiserver.http.negotiation import JSON, YAML, accepts_gzip, prefers_yaml, wants_pretty
from apiserver.http.pieces import Pieces, whole
from apiserver.http.request import Request
from apiserver.machinery.yamltext import to_yaml

GZIP_BYTES = 128 * 1024
"""Smaller answers are not compressed."""
_LEVEL = 1
_GZIP_WINDOW = 31
_THREAD_BYTES = 32 * 1024
"""Larger bodies are transformed in a thread, so that other requests do not wait for it."""
_KEPT_DOCUMENTS = 64

_kept: dict[str, bytes] = {}
"""Compressed documents by their ETag, which says all about their content."""


async def finished(request: Request, response: web.StreamResponse) -> web.StreamResponse:
    """Return ``response`` as its client wants to read it; streams and all but JSON pass as they are."""
    if not isinstance(response, web.Response) or not isinstance(body := response.body, bytes | Pieces):
        return response
    if response.content_type == JSON and hdrs.ETAG not in response.headers:  # an ETag names these very bytes
        if _is_yaml(request, response):
            response.body = body = await _transformed(whole(body), _yaml)
            response.content_type = YAML
        elif wants_pretty(request.query, request.headers):
            response.body = body = await _transformed(whole(body), _indented)
    is_long = isinstance(body, Pieces) or len(body) > GZIP_BYTES
    if is_long and accepts_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
        await _compress(response, whole(body))
    return response


def _is_yaml(request: Request, response: web.Response) -> bool:
    accept = request.headers.get(hdrs.ACCEPT, "")
    if "yaml" not in accept:
        return False
    negotiated = request.negotiated
    if negotiated is not None and response.status < 400:
        return negotiated.media_type == YAML
    return prefers_yaml(accept)


def _yaml(body: bytes) -> bytes:
    return to_yaml(orjson.loads(body)).encode()


def _indented(body: bytes) -> bytes:
    return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _gzipped(body: bytes) -> bytes:
    deflate = zlib.compressobj(_LEVEL, wbits=_GZIP_WINDOW)
    return deflate.compress(body) + deflate.flush()


async def _transformed(body: bytes, transform: Callable[[bytes], bytes]) -> bytes:
    return transform(body) if len(body) < _THREAD_BYTES else await asyncio.to_thread(transform, body)


async def _compress(response: web.Response, body: bytes) -> None:
    etag = response.headers.get(hdrs.ETAG)
    compressed = _kept.get(etag) if etag else None
    if compressed is None:
        compressed = await _transformed(body, _gzipped)
        if etag and len(_kept) < _KEPT_DOCUMENTS:
            _kept[etag] = compressed
    response.body = compressed
    response.headers[hdrs.CONTENT_ENCODING] = "gzip"
    response.headers.add(hdrs.VARY, "Accept-Encoding")
