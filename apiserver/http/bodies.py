"""Request bodies: bounded, decoded, and refused with a reason."""

from typing import Any

import orjson
from aiohttp import web

from apiserver.http import protobuf
from apiserver.machinery import errors

MAX_BODY_BYTES = 3 * 1024 * 1024
"""Kubernetes' limit on request bodies (``k8s.io/apiserver`` MaxRequestBodyBytes)."""


async def read_bytes(request: web.Request) -> bytes:
    """Return the body. Raises 413 above MAX_BODY_BYTES."""
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise errors.too_large(MAX_BODY_BYTES)
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as too_large:
        raise errors.too_large(MAX_BODY_BYTES) from too_large


async def read_object(request: web.Request) -> dict[str, Any]:
    """Return a body that must be one object, in JSON or, for some kinds, protobuf. Raises 400, 413, 415."""
    if request.content_type == protobuf.MEDIA_TYPE:
        return protobuf.decode(await read_bytes(request))
    if request.content_type not in ("application/json", "application/octet-stream"):
        raise errors.unsupported_media_type(["application/json"])
    return parse_object(await read_bytes(request))


async def read_delete_options(request: web.Request) -> dict[str, Any]:
    """Return the DeleteOptions in a body; an empty body holds none. Raises 400, 413, 415."""
    body = await read_bytes(request)
    if not body:
        return {}
    # Any other media type is read as JSON: clients send these options under many names.
    return protobuf.decode(body) if request.content_type == protobuf.MEDIA_TYPE else parse_object(body)


def parse_object(body: bytes) -> dict[str, Any]:
    """Return ``body`` as a JSON object. Raises 400."""
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError as broken:
        raise errors.bad_request(f"the object provided is not valid JSON: {broken}") from broken
    if not isinstance(decoded, dict):
        raise errors.bad_request("the object provided must be a JSON object")
    return decoded
