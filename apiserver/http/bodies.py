"""Request bodies: bounded, decoded, and refused with a reason."""

import asyncio
from contextlib import suppress
from typing import Any

from aiohttp import hdrs, web

from apiserver.http import protobuf
from apiserver.http.negotiation import JSON, YAML
from apiserver.http.request import Request
from apiserver.machinery import errors
from apiserver.machinery.decoding import MAX_BODY_BYTES, Decoded, from_json, from_yaml
from apiserver.machinery.patch import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from apiserver.machinery.violations import json_type
from apiserver.registry.options import FieldValidation, WriteOptions

_SHORT_BYTES = 16 * 1024
"""A JSON body up to this length is decoded at once, which takes less time than to ask a thread."""


async def read_bytes(request: Request) -> bytes:
    """Return the body. Raises 400 for one that is broken, 413 above MAX_BODY_BYTES."""
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise errors.too_large(MAX_BODY_BYTES)
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as too_large:
        raise errors.too_large(MAX_BODY_BYTES) from too_large
    except web.RequestPayloadError as broken:
        raise errors.bad_request("the body cannot be read: it is not what its Content-Encoding says") from broken


async def read_object(request: Request, options: WriteOptions) -> dict[str, Any]:
    """Return a body that must be one object: JSON, YAML or, for some kinds, protobuf. Raises 400, 413, 415.

    Fields given twice go to ``options.repeated``, unless nobody asks for them.
    """
    decoded = await _decoded(request, strict=options.field_validation is not FieldValidation.IGNORE)
    options.repeated.extend(decoded.repeated)
    return _object(decoded.value)


async def read_configuration(request: Request, options: WriteOptions) -> dict[str, Any]:
    """Return the configuration that a server-side apply sends, in YAML or JSON. Raises 400, 413.

    Fields given twice are warned of, or refused under Strict validation.
    """
    body = await read_bytes(request)
    if body[:1] == b"{" and len(body) <= _SHORT_BYTES:
        decoded = from_yaml(body)
    else:
        decoded = await asyncio.to_thread(from_yaml, body)
    if decoded.repeated and options.field_validation is not FieldValidation.IGNORE:
        if options.field_validation is FieldValidation.STRICT:
            told = "\n  ".join(["error converting YAML to JSON: yaml: unmarshal errors:", *decoded.repeated])
            raise errors.bad_request(f"error strict decoding patch: {told}")
        options.warnings.extend(decoded.repeated)
    return _object(decoded.value)


async def repeated_in_patch(content_type: str, body: bytes, options: WriteOptions) -> list[str]:
    """Return what strict decoding says of a patch in JSON; one that is no JSON is for ``apply_patch`` to refuse."""
    prefix = {JSON_PATCH: "json patch ", MERGE_PATCH: "", STRATEGIC_PATCH: ""}.get(content_type)
    if prefix is None or options.field_validation is FieldValidation.IGNORE:
        return []
    with suppress(errors.StatusError):
        decoded = await options.workers.run(len(body), lambda: from_json(body))
        return [f"{prefix}{text}" for text in decoded.repeated]
    return []


async def read_delete_options(request: Request) -> dict[str, Any]:
    """Return the DeleteOptions in a body; an empty body holds none. Raises 400, 413, 415."""
    if not await read_bytes(request):
        return {}
    return _object((await _decoded(request, strict=False)).value)


async def _decoded(request: Request, *, strict: bool) -> Decoded:
    # Without the header it is JSON; aiohttp would call it a stream of octets.
    match request.content_type if hdrs.CONTENT_TYPE in request.headers else JSON:
        case "application/json":
            body = await read_bytes(request)
            return await request.api.workers.run(len(body), lambda: from_json(body, strict=strict))
        case "application/yaml":
            return await asyncio.to_thread(from_yaml, await read_bytes(request))
        case protobuf.MEDIA_TYPE:
            body = await read_bytes(request)
            return Decoded(await request.api.workers.run(len(body), lambda: protobuf.decode(body)))
        case _:
            raise errors.unsupported_media_type([JSON, YAML, protobuf.MEDIA_TYPE])


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise errors.bad_request(f"the object provided is unrecognized: it must be an object, not {json_type(value)}")
    return value
