"""The application: every request is asked for its sender and for leave, bounded, answered and accounted for.

That happens here, for every path alike; the dispatcher sends each to the part that answers it.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import structlog
from aiohttp import hdrs, web
from prometheus_client.registry import Collector

from apiserver.audit import AuditLog
from apiserver.auth.authorization import ALWAYS_ALLOWED, require
from apiserver.auth.impersonation import impersonated
from apiserver.http import answers, auditing, verbs
from apiserver.http.content import finished
from apiserver.http.discovery import Discovery
from apiserver.http.health import Health
from apiserver.http.inflight import LIMIT, InFlight
from apiserver.http.metrics import Metrics
from apiserver.http.openapi import OpenApi
from apiserver.http.quickreads import QuickReads
from apiserver.http.request import Request, Site
from apiserver.machinery import errors
from apiserver.machinery.action import StreamAction
from apiserver.machinery.errors import StatusError
from apiserver.storage.contract import UnavailableError
from kube import durations

log = structlog.get_logger()

REQUEST_SECONDS = 60
"""How long a request may take; kube-apiserver's ``--request-timeout``."""


class Dispatcher:
    """Sends each request to the part that answers it."""

    def __init__(self, site: Site, health: Health, metrics: Metrics, version: dict[str, str]) -> None:
        api = site.api
        resources = list(api.resources.values())
        actions = list(api.actions.values())
        self._discovery = Discovery(resources, actions)
        self._openapi = OpenApi(resources, actions, api.catalogue, version["gitVersion"])
        self._issuer = api.issuer
        self._health = health
        self._metrics = metrics
        self._version = version

    async def __call__(self, request: Request) -> web.StreamResponse:
        """Answer one request, of a caller who may make it."""
        await require(request.api.authorization, request.caller, request.info)
        if request.info.is_resource:
            return await verbs.serve(request)
        if request.method not in ("GET", "HEAD"):
            raise errors.method_not_allowed(("GET", "HEAD"))
        return await self._serve_document(request)

    async def _serve_document(self, request: Request) -> web.StreamResponse:
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
                return await self._metrics.answer(request)
            case []:
                return answers.json({"paths": self._paths()})
            case _:
                raise errors.no_such_path()

    def _paths(self) -> list[str]:
        """Return every path that can be read and is no object, as ``/`` of kube-apiserver tells it."""
        documents = ("/metrics", "/openapi/v2", "/openapi/v3", "/version")
        return sorted([*documents, *self._discovery.paths(), *self._health.paths()])


class App:
    """Answers every request, whoever sends it and whatever becomes of it."""

    def __init__(
        self,
        site: Site,
        health: Health,
        version: dict[str, str],
        *,
        audit: AuditLog | None = None,
        limit: int = LIMIT,
        collectors: Iterable[Collector] = (),
    ) -> None:
        """At most ``limit`` requests are under way at once; ``collectors`` know what metrics tell of more than them."""
        self.site = site
        self._audit = audit
        self._in_flight = InFlight(limit)
        self._metrics = Metrics(site.api, lambda: self._in_flight.total, collectors)
        self.quick_reads = QuickReads(site, self._metrics, audit)
        self._dispatch = Dispatcher(site, health, self._metrics, version)
        self._verbose = log.is_enabled_for(logging.DEBUG)

    async def answer(self, request: Request) -> web.StreamResponse:
        """Answer one request, and keep account of it."""
        began = time.perf_counter()
        # Each request has a task, and with it a context of its own.
        structlog.contextvars.bind_contextvars(audit_id=request.audit_id)
        response = await self._answered(request)
        if self._audit is not None:
            await auditing.record(self._audit, request, response, time.perf_counter() - began)
        response = await finished(request, response)
        seconds = time.perf_counter() - began
        patch_type = request.content_type if request.method == hdrs.METH_PATCH else ""
        self._metrics.answered(request.info, patch_type, response.status, seconds)
        if self._verbose:
            took = round(seconds * 1000, 2)
            log.debug("request", method=request.method, path=request.path, code=response.status, milliseconds=took)
        return response

    async def _answered(self, request: Request) -> web.StreamResponse:
        """Turn every failure into a Status."""
        try:
            return await self._identified(request)
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
            return _failure(
                StatusError(500, "InternalError", "an internal error occurred; the server's log has the cause")
            )

    async def _identified(self, request: Request) -> web.StreamResponse:
        """Find out who asks."""
        api, transport = request.api, request.transport
        connection = transport.get_extra_info("ssl_object") if transport else None
        request.sender = request.caller = await api.authenticator.caller(connection, request.headers)
        request.caller = await impersonated(request.sender, request.headers.items(), api.authorization)
        with _until_revoked(request):
            return await self._bounded(request)

    async def _bounded(self, request: Request) -> web.StreamResponse:
        """Bound how many requests are under way, and for how long each; watches, streams and health checks apart."""
        if _lasts(request):
            with self._metrics.long_running(request.info):
                return await self._dispatch(request)
        seconds = _seconds(request)
        if request.path in ALWAYS_ALLOWED:
            return await self._dispatch(request)
        with self._in_flight.counted(request.caller.name):
            limit = asyncio.timeout(seconds)
            try:
                async with limit:
                    return await self._dispatch(request)
            except TimeoutError as late:
                if not limit.expired():
                    raise
                raise errors.timed_out(f"the request was not answered within {seconds:g} s") from late


def _failure(error: StatusError) -> web.Response:
    headers: dict[str, str] = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if error.allowed:
        headers["Allow"] = ", ".join(error.allowed)
    return answers.json(error.status(), status=error.code, headers=headers)


def _until_revoked(request: Request) -> AbstractContextManager[None]:
    """Cut off an agent's connection when, in the context, its node is revoked."""
    revocations, node, transport = request.api.revocations, request.sender.node, request.transport
    if revocations is None or node is None or transport is None:
        return nullcontext()
    certificate = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return revocations.watching(node, certificate, transport.abort) if certificate else nullcontext()


def _lasts(request: Request) -> bool:
    """Tell what goes on for as long as its client wants from what is answered at once."""
    info = request.info
    return info.verb == "watch" or (info.subresource != "" and isinstance(request.api.action(info), StreamAction))


def _seconds(request: Request) -> float:
    """Return how long a request may take: as long as it says itself, but no longer than any. Raises 400.

    Source: ``k8s.io/apiserver/pkg/endpoints/filters/request_deadline.go``; no time at all stands for no wish.
    """
    if not (text := request.query.get("timeout")):
        return REQUEST_SECONDS
    try:
        asked = durations.parse(text).total_seconds()
    except durations.DurationError as wrong:
        raise errors.bad_request(f"invalid timeout specified in the request URL - {wrong}") from wrong
    return min(asked, REQUEST_SECONDS) if asked > 0 else REQUEST_SECONDS
