"""Metrics of the server, in Prometheus' text or OpenMetrics, as the reader prefers.

Names and labels are kube-apiserver's (``k8s.io/apiserver/pkg/endpoints/metrics``), so that its dashboards and alerts
hold here too. Labels take only values that are known beforehand: nobody fills the memory with paths of their own.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from apiserver.auth.attributes import RequestInfo
from apiserver.http.api import Api
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
        self._open = Gauge(
            "apiserver_longrunning_requests", "Watches and streams that are open.", _LABELS, registry=registry
        )
        waiting = Gauge("apiserver_current_inflight_requests", "Requests under way.", registry=registry)
        waiting.set_function(in_flight)
        self._answers = _Answers()
        for each in (self._answers, ProcessCollector(registry=None), *collectors):
            registry.register(each)

    def answered(self, info: RequestInfo, media_type: str, code: int, seconds: float) -> None:
        """Count one request that was answered with ``code`` after so many seconds."""
        self.tally(info, media_type, code).add(seconds)

    def tally(self, info: RequestInfo, media_type: str, code: int) -> "Tally":
        """Return what counts requests like this one, for who answers many of them."""
        return self._answers.tally(self._labels(info, media_type), code)

    @contextmanager
    def long_running(self, info: RequestInfo) -> Generator[None]:
        """Count one long-running request while it is open."""
        with self._open.labels(*self._labels(info, "")).track_inprogress():
            yield

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer ``/metrics``."""
        # A thread: there are thousands of lines.
        encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(
            body=await asyncio.to_thread(encode, self._registry), headers={hdrs.CONTENT_TYPE: content_type}
        )

    def _labels(self, info: RequestInfo, media_type: str) -> Labels:
        verb = "APPLY" if media_type == APPLY_PATCH else _VERBS.get(info.verb, "OTHER")
        if (info.group, info.resource, info.subresource) in self._streams:
            verb = "CONNECT"
        if (info.group, info.version, info.resource, info.subresource) not in self._served:
            return verb, "", "", "", "", ""
        return verb, info.group, info.version, info.resource, info.subresource, _scope(info)


@dataclass(slots=True)
class Tally:
    """Requests that were asked for and answered alike. Counting them is part of each: it takes no lock."""

    requests: int = 0
    seconds: float = 0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(_SECONDS) + 1))
    """How many took up to each of ``_SECONDS`` and longer than the one before, and at last how many longer than all."""

    def add(self, seconds: float) -> None:
        """Count one that took so long."""
        self.requests += 1
        self.seconds += seconds
        self.buckets[bisect_left(_SECONDS, seconds)] += 1


class _Answers(Collector):
    """Tells how many requests were answered, and how long that took."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[Labels, int], Tally] = {}

    def tally(self, labels: Labels, code: int) -> Tally:
        """Return what counts the requests with these labels that are answered with ``code``."""
        if (tally := self._tallies.get((labels, code))) is None:
            tally = self._tallies[labels, code] = Tally()
        return tally

    def collect(self) -> Iterator[Metric]:
        """Yield both metrics."""
        tallies = list(self._tallies.items())  # in a thread, while others count
        requests = CounterMetricFamily("apiserver_request", "Requests that were answered.", labels=(*_LABELS, "code"))
        for (labels, code), tally in tallies:
            requests.add_metric((*labels, str(code)), tally.requests)
        yield requests
        durations = HistogramMetricFamily(
            "apiserver_request_duration_seconds",
            "How long requests took that are no watches and no streams.",
            labels=_LABELS,
        )
        whatever_the_code: dict[Labels, list[Tally]] = {}
        for (labels, _), tally in tallies:
            if labels[0] not in _LONG_RUNNING:
                whatever_the_code.setdefault(labels, []).append(tally)
        bounds = [*map(floatToGoString, _SECONDS), "+Inf"]
        for labels, alike in whatever_the_code.items():
            counts = accumulate(map(sum, zip(*(each.buckets for each in alike), strict=True)))
            durations.add_metric(
                labels, list(zip(bounds, counts, strict=True)), sum_value=sum(each.seconds for each in alike)
            )
        yield durations


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
