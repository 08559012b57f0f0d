"""Audit events of requests: what the policy wants to know about each.

Source: Kubernetes' auditing; ``k8s.io/apiserver/pkg/endpoints/filters/audit.go``.
"""

from datetime import timedelta
from typing import Any

import orjson
from aiohttp import web

from apiserver.audit import AuditLog, Level
from apiserver.auth.attributes import RequestInfo
from apiserver.auth.reviews import user_info
from apiserver.http.pieces import Pieces, whole
from apiserver.http.request import Request
from kube.timestamps import to_micro_time, utc_now


async def record(audit: AuditLog, request: Request, response: web.StreamResponse, seconds: float) -> None:
    """Note a request that took so many ``seconds``, as the log's policy says."""
    level = audit.policy.level(request.caller, request.info)
    if level is not Level.NONE:
        audit.record(await _event(request, response, level, seconds))


async def _event(request: Request, response: web.StreamResponse, level: Level, seconds: float) -> dict[str, Any]:
    caller, sender, answered = request.caller, request.sender, utc_now()
    asked: RequestInfo = request.info
    event = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": level.word,
        "auditID": request.audit_id,
        "stage": "ResponseComplete",
        "requestURI": request.path_qs,
        "verb": asked.verb,
        "user": user_info(sender),
        **({"impersonatedUser": user_info(caller)} if caller is not sender else {}),
        "sourceIPs": [request.remote] if request.remote else [],
        "userAgent": request.headers.get("User-Agent", ""),
        **({"objectRef": _reference(asked)} if asked.is_resource else {}),
        "requestReceivedTimestamp": to_micro_time(answered - timedelta(seconds=seconds)),
        "stageTimestamp": to_micro_time(answered),
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
    if not isinstance(body, bytes | Pieces):
        return None
    text = whole(body)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"bytes": len(text)}
