"""The application: one middleware chain, one dispatcher by path.

Authentication, authorization and error answers happen here, for every path alike.
"""

import asyncio
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from prometheus_client.registry import Collector

from apiserver.audit import AuditLog
from apiserver.auth.authorization import ALWAYS_ALLOWED, require
from apiserver.auth.identities import ANONYMOUS
from apiserver.auth.impersonation import impersonated
from apiserver.http import answers, streams, verbs, watches
from apiserver.http.agents import Agents
from apiserver.http.api import API, CALLER, INFO, SENDER, Api
from apiserver.http.auditing import AUDIT_ID, AUDIT_ID_HEADER, audit_id, auditor
from apiserver.http.content import finished
from apiserver.http.discovery import Discovery
from apiserver.http.health import Health
from apiserver.http.inflight import LIMIT, InFlight
from apiserver.http.metrics import Metrics, measuring
from apiserver.http.openapi import OpenApi
from apiserver.http.quickreads import QuickReads
from apiserver.http.requestinfo import parse
from apiserver.machinery import errors
from apiserver.machinery.action import StreamAction
from apiserver.machinery.decoding import MAX_BODY_BYTES
from apiserver.machinery.errors import StatusError
from apiserver.machinery.resource import Caller
from apiserver.storage.contract import UnavailableError
from kube import durations

log = structlog.get_logger()

REQUEST_SECONDS = 60
"""How long a request may take; kube-apiserver's ``--request-timeout``."""
IN_FLIGHT = web.AppKey("in-flight", InFlight)
METRICS = web.AppKey("metrics", Metrics)
QUICK_READS = web.AppKey("quick-reads", QuickReads)


class Dispatcher:
    """Sends each request to the part that answers it."""

    def __init__(self, api: Api, health: Health, version: dict[str, str]) -> None:
        resources = list(api.resources.values())
        actions = list(api.actions.values())
        self._discovery = Discovery(resources, actions)
        self._openapi = OpenApi(resources, actions, api.catalogue, version["gitVersion"])
        self._issuer = api.issuer
        self._health = health
        self._version = version

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, of a caller who may make it."""
        await require(request.app[API].authorization, request[CALLER], request[INFO])
        if request[INFO].is_resource:
            return await verbs.serve(request)
        if request.method not in ("GET", "HEAD"):
            raise errors.method_not_allowed(("GET", "HEAD"))
        return await self._serve_document(request)

    async def _serve_document(self, request: web.Request) -> web.StreamResponse:
        match [part for part in request.path.split("/") if part]:
            case ["api" | "apis" as root, *below]:
                return self._discovery.answer(request, root, below)
            case ["openapi", "v2"]:
                return self._openapi.v2(request)
            case ["openapi", "v3", *root]:
                return self._openapi.v3(request, "/".join(root))
            case [".well-known", "openid-configuration"] if self._issuer:
                return answers.json(self._issuer.configuration(f"https://{request.host}/openid/v1/jwks"))
            case ["openid", "v1", "jwks"] if self._issuer:
                return answers.document(self._issuer.signer.key_set(), "application/jwk-set+json")
            case ["version"]:
                return answers.json(self._version)
            case ["healthz" | "livez" | "readyz" as endpoint, *check]:
                return await self._health.answer(request, endpoint, "/".join(check))
            case ["metrics"]:
                return await request.app[METRICS].answer(request)
            case []:
                return answers.json({"paths": self._paths()})
            case _:
                raise errors.no_such_path()

    def _paths(self) -> list[str]:
        """Return every path that can be read and is no object, as ``/`` of kube-apiserver tells it."""
        documents = ("/metrics", "/openapi/v2", "/openapi/v3", "/version")
        return sorted([*documents, *self._discovery.paths(), *self._health.paths()])


@web.middleware
async def _finish(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Send every answer in the form that the client reads."""
    return await finished(request, await handler(request))


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every failure into a Status."""
    try:
        return await handler(request)
    except StatusError as error:
        return _failure(error)
    except UnavailableError as error:
        log.warning("storage is unavailable", path=request.path, why=str(error))
        return _failure(errors.unavailable("the database cannot be reached; please try again"))
    except (web.HTTPException, ConnectionError):
        raise
    except Exception:
        # The last line of defence: the client learns that it is not at fault, the log learns why.
        log.exception("request failed", method=request.method, path=request.path)
        return _failure(StatusError(500, "InternalError", "an internal error occurred; the server's log has the cause"))


def _failure(error: StatusError) -> web.Response:
    headers: dict[str, str] = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if error.allowed:
        headers["Allow"] = ", ".join(error.allowed)
    return answers.json(error.status(), status=error.code, headers=headers)


@web.middleware
async def _identity(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out who asks for what."""
    api = request.app[API]
    info = parse(request.method, request.path, request.query)
    transport = request.transport
    request[INFO], request[SENDER], request[CALLER] = info, ANONYMOUS, ANONYMOUS
    connection = transport.get_extra_info("ssl_object") if transport else None
    sender = await api.authenticator.caller(connection, request.headers)
    request[SENDER] = request[CALLER] = sender
    request[CALLER] = await impersonated(sender, request.headers.items(), api.authorization)
    with _until_revoked(request, sender):
        return await handler(request)


def _until_revoked(request: web.Request, sender: Caller) -> AbstractContextManager[None]:
    """Cut off an agent's connection when, in the context, its node is revoked."""
    revocations, transport = request.app[API].revocations, request.transport
    if revocations is None or sender.node is None or transport is None:
        return nullcontext()
    certificate = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return revocations.watching(sender.node, certificate, transport.abort) if certificate else nullcontext()


@web.middleware
async def _bounded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Bound how many requests are under way, and for how long each; watches, streams and health checks apart."""
    if _lasts(request):
        with request.app[METRICS].long_running(request[INFO]):
            return await handler(request)
    seconds = _seconds(request)
    if request.path in ALWAYS_ALLOWED:
        return await handler(request)
    with request.app[IN_FLIGHT].counted(request[CALLER].name):
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await handler(request)
        except TimeoutError as late:
            if not limit.expired():
                raise
            raise errors.timed_out(f"the request was not answered within {seconds:g} s") from late


def _lasts(request: web.Request) -> bool:
    """Tell what goes on for as long as its client wants from what is answered at once."""
    info = request[INFO]
    return info.verb == "watch" or (info.subresource != "" and isinstance(request.app[API].action(info), StreamAction))


def _seconds(request: web.Request) -> float:
    """Return how long a request may take: as long as it says itself, but no longer than any. Raises 400.

    Source: ``k8s.io/apiserver/pkg/endpoints/filters/request_deadline.go``; no time at all stands for no wish.
    """
    try:
        asked = durations.parse(request.query.get("timeout") or "0").total_seconds()
    except durations.DurationError as wrong:
        raise errors.bad_request(f"invalid timeout specified in the request URL - {wrong}") from wrong
    return min(asked, REQUEST_SECONDS) if asked > 0 else REQUEST_SECONDS


@web.middleware
async def _log_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    started = time.perf_counter()
    request[AUDIT_ID] = identity = audit_id(request.headers)
    with structlog.contextvars.bound_contextvars(audit_id=identity):
        response = await handler(request)
    log.debug(
        "request",
        audit_id=identity,
        method=request.method,
        path=request.path,
        code=response.status,
        milliseconds=round((time.perf_counter() - started) * 1000, 2),
    )
    return response


async def _begin_answer(request: web.Request, response: web.StreamResponse) -> None:
    """Name each answer as it begins: streams do so long before they end.

    One that refuses to switch protocols is the last on its connection: a proxy may pass on as it is what the client
    sends after that, and lend it its own identity (CVE-2018-1002105).
    """
    response.headers[AUDIT_ID_HEADER] = request[AUDIT_ID]
    if hdrs.UPGRADE in request.headers and response.status != HTTPStatus.SWITCHING_PROTOCOLS:
        response.force_close()


def make_app(
    api: Api,
    health: Health,
    version: dict[str, str],
    *,
    audit: AuditLog | None = None,
    limit: int = LIMIT,
    collectors: Iterable[Collector] = (),
    agents: Agents | None = None,
) -> web.Application:
    """Return the application that serves ``api``, with at most ``limit`` requests under way at once.

    ``collectors`` know what metrics tell of more than requests; ``agents`` is what streams need, where ``api`` has any.
    """
    in_flight = InFlight(limit)
    metrics = Metrics(api, lambda: in_flight.total, collectors)
    auditing = [auditor(audit)] if audit is not None else []
    middlewares = [_log_requests, measuring(metrics), _finish, *auditing, _errors, _identity, _bounded]
    app = web.Application(middlewares=middlewares, client_max_size=MAX_BODY_BYTES)
    app[API] = api
    app[IN_FLIGHT] = in_flight
    app[METRICS] = metrics
    app[QUICK_READS] = QuickReads(api, metrics, audit)
    app[watches.STOPPING] = health.stopping
    app.on_response_prepare.append(_begin_answer)
    if agents is not None:
        app[streams.AGENTS] = agents
    # A line break is a character of a path like any other.
    app.router.add_route("*", "/{path:(?s:.*)}", Dispatcher(api, health, version).__call__)
    return app
