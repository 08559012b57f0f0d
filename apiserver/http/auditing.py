"""Audit events of requests: an id for each, and what the policy wants to know about it.

Source: Kubernetes' auditing; ``k8s.io/apiserver/pkg/endpoints/filters/audit.go``.
"""

import random
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from apiserver.audit import AuditLog, Level
from apiserver.auth.attributes import RequestInfo
from apiserver.auth.reviews import user_info
from apiserver.http.api import CALLER, INFO, SENDER
from kube.timestamps import to_micro_time, utc_now

AUDIT_ID_HEADER = "Audit-ID"
"""A client may give its own, to find its request again; the answer always has one."""
AUDIT_ID = web.RequestKey("audit-id", str)
_USABLE_ID = re.compile(r"[0-9A-Za-z._-]{1,64}")


def audit_id(headers: Mapping[str, str]) -> str:
    """Return the id of a request with these ``headers``: the client's, if that is a plain short word, or a new one."""
    given = headers.get(AUDIT_ID_HEADER, "")
    return given if _USABLE_ID.fullmatch(given) else _new_id()


def _new_id() -> str:
    """Return a random UUID (RFC 9562, version 4), no secret: ``uuid`` asks the kernel, with each request."""
    digits = f"{random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def auditor(audit: AuditLog) -> Middleware:
    """Return the middleware that records requests as the log's policy says. It comes before all that may refuse one."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        received = utc_now()
        response = await handler(request)
        level = audit.policy.level(request[CALLER], request[INFO])
        if level is not Level.NONE:
            audit.record(await _event(request, response, level, received))
        return response

    return middleware


async def _event(
    request: web.Request, response: web.StreamResponse, level: Level, received: datetime
) -> dict[str, Any]:
    caller, sender = request[CALLER], request[SENDER]
    asked: RequestInfo = request[INFO]
    event = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": level.word,
        "auditID": request[AUDIT_ID],
        "stage": "ResponseComplete",
        "requestURI": request.path_qs,
        "verb": asked.verb,
        "user": user_info(sender),
        **({"impersonatedUser": user_info(caller)} if caller is not sender else {}),
        "sourceIPs": [request.remote] if request.remote else [],
        "userAgent": request.headers.get("User-Agent", ""),
        **({"objectRef": _reference(asked)} if asked.is_resource else {}),
        "requestReceivedTimestamp": to_micro_time(received),
        "stageTimestamp": to_micro_time(utc_now()),
        "responseStatus": {"metadata": {}, "code": response.status},
    }
    # A body that was refused unread is not waited for.
    if level >= Level.REQUEST and request.body_exists and request.content.at_eof():
        event["requestObject"] = _document(await request.read())
    if level >= Level.REQUESTRESPONSE and isinstance(response, web.Response):
        event["responseObject"] = _document(response.body)
    return event


def _reference(asked: RequestInfo) -> dict[str, str]:
    # Upstream a namespace lies in itself.
    itself = asked.name if (asked.group, asked.resource) == ("", "namespaces") else ""
    named = {
        "resource": asked.resource,
        "namespace": asked.namespace or itself,
        "name": asked.object_name,
        "apiGroup": asked.group,
        "apiVersion": asked.version,
        "subresource": asked.subresource,
    }
    return {name: value for name, value in named.items() if value}


def _document(body: Any) -> Any:
    """Return a body as it was meant: JSON as such, anything else by its size only."""
    if not isinstance(body, bytes):
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return {"bytes": len(body)}
