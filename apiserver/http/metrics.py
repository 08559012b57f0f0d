"""Metrics of the server, in Prometheus' text or OpenMetrics, as the reader prefers.

Names and labels are kube-apiserver's (``k8s.io/apiserver/pkg/endpoints/metrics``), so that its dashboards and alerts
hold here too. Labels take only values that are known beforehand: nobody fills the memory with paths of their own.
"""

import asyncio
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apiserver.auth.attributes import RequestInfo
from apiserver.http.api import INFO, Api
from apiserver.machinery.action import StreamAction
from apiserver.machinery.patch import APPLY_PATCH
from certs.contexts import Served

_LABELS = ("verb", "group", "version", "resource", "subresource", "scope")
_SECONDS = (0.001, 0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 3, 5, 10, 30, 60)
"""Upper bounds of the durations that are told apart."""
_VERBS = {
    **{verb: verb.upper() for verb in ("get", "list", "watch", "patch", "delete", "deletecollection", "options")},
    "create": "POST",
    "update": "PUT",
}
_LONG_RUNNING = frozenset({"WATCH", "CONNECT"})
"""How long they take says nothing."""
Labels = tuple[str, ...]


class Metrics:
    """Counts what is asked for, how it ends and how long it takes."""

    def __init__(self, api: Api, in_flight: Callable[[], int], collectors: Iterable[Collector] = ()) -> None:
        """``in_flight`` tells how many requests are under way; ``collectors`` know what else there is to tell."""
        self._served = _served(api)
        self._streams = {
            (each.group, each.resource, each.subresource)
            for each in api.actions.values()
            if isinstance(each, StreamAction)
        }
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "apiserver_request_total", "Requests that were answered.", (*_LABELS, "code"), registry=registry
        )
        self._durations = Histogram(
            "apiserver_request_duration_seconds",
            "How long requests took that are no watches and no streams.",
            _LABELS,
            registry=registry,
            buckets=_SECONDS,
        )
        self._open = Gauge(
            "apiserver_longrunning_requests", "Watches and streams that are open.", _LABELS, registry=registry
        )
        waiting = Gauge("apiserver_current_inflight_requests", "Requests under way.", registry=registry)
        waiting.set_function(in_flight)
        for each in (ProcessCollector(registry=None), *collectors):
            registry.register(each)
        self._known: dict[tuple[Labels, int], Callable[[float], None]] = {}

    def answered(self, info: RequestInfo, media_type: str, code: int, seconds: float) -> None:
        """Count one request that was answered with ``code`` after so many seconds."""
        key = (self._labels(info, media_type), code)
        count = self._known.get(key)
        if count is None:
            count = self._known[key] = self._counting(*key)
        count(seconds)

    @contextmanager
    def long_running(self, info: RequestInfo) -> Generator[None]:
        """Count one long-running request while it is open."""
        with self._open.labels(*self._labels(info, "")).track_inprogress():
            yield

    async def answer(self, request: web.Request) -> web.Response:
        """Answer ``/metrics``."""
        # A thread: there are thousands of lines.
        encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(
            body=await asyncio.to_thread(encode, self._registry), headers={hdrs.CONTENT_TYPE: content_type}
        )

    def _counting(self, labels: Labels, code: int) -> Callable[[float], None]:
        """Return what counts a request of ``labels``: looked up once, as that is dearer than counting."""
        requests = self._requests.labels(*labels, code)
        if labels[0] in _LONG_RUNNING:
            return lambda _: requests.inc()
        durations = self._durations.labels(*labels)

        def count(seconds: float) -> None:
            requests.inc()
            durations.observe(seconds)

        return count

    def _labels(self, info: RequestInfo, media_type: str) -> Labels:
        verb = "APPLY" if media_type == APPLY_PATCH else _VERBS.get(info.verb, "OTHER")
        if (info.group, info.resource, info.subresource) in self._streams:
            verb = "CONNECT"
        if (info.group, info.version, info.resource, info.subresource) not in self._served:
            return verb, "", "", "", "", ""
        return verb, info.group, info.version, info.resource, info.subresource, _scope(info)


def measuring(metrics: Metrics) -> Middleware:
    """Return the middleware that counts every request, however it is answered."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.perf_counter()
        response = await handler(request)
        metrics.answered(request[INFO], _patch_type(request), response.status, time.perf_counter() - began)
        return response

    return middleware


class CertificateMetrics(Collector):
    """Tells until when what is served is valid: asked of the server's TLS, at each reading, not of the files."""

    def __init__(self, served: Callable[[], Served]) -> None:
        self._served = served

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges, in seconds since 1970."""
        served = self._served()
        yield _moment(
            "apiserver_serving_certificate_not_after_timestamp_seconds",
            "When the certificate expires that clients are shown now.",
            served.certificate.not_valid_after_utc,
        )
        yield _moment(
            "apiserver_serving_certificate_not_before_timestamp_seconds",
            "When the certificate became valid that clients are shown now.",
            served.certificate.not_valid_before_utc,
        )
        if served.client_authorities:
            yield _moment(
                "apiserver_client_authority_not_after_timestamp_seconds",
                "When the first of the authorities expires whose clients are admitted now.",
                min(each.not_valid_after_utc for each in served.client_authorities),
            )


def _moment(name: str, documentation: str, when: datetime) -> Metric:
    return GaugeMetricFamily(name, documentation, value=when.timestamp())


def _served(api: Api) -> frozenset[tuple[str, str, str, str]]:
    """Return what is served: group, version, resource and subresource."""
    objects = (
        (resource.group, version.name, resource.plural, subresource)
        for resource in api.resources.values()
        for version in resource.versions
        for subresource in ("", *resource.subresources)
    )
    done = (
        (action.group, version, action.resource, action.subresource)
        for action in api.actions.values()
        for version in action.versions
    )
    return frozenset((*objects, *done))


def _scope(info: RequestInfo) -> str:
    """Source: ``CleanScope`` there."""
    if info.name or info.verb == "create":
        return "resource"
    return "namespace" if info.namespace else "cluster"


def _patch_type(request: web.Request) -> str:
    return request.content_type if request.method == hdrs.METH_PATCH else ""
