"""Request bodies: bounded, decoded, and refused with a reason."""

from typing import Any

import orjson
from aiohttp import web

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
    """Return a body that must be a JSON object. Raises 400, 413, 415."""
    if request.content_type not in ("application/json", "application/octet-stream"):
        raise errors.unsupported_media_type(["application/json"])
    return parse_object(await read_bytes(request))


def parse_object(body: bytes) -> dict[str, Any]:
    """Return ``body`` as a JSON object. Raises 400."""
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError as broken:
        raise errors.bad_request(f"the object provided is not valid JSON: {broken}") from broken
    if not isinstance(decoded, dict):
        raise errors.bad_request("the object provided must be a JSON object")
    return decoded
