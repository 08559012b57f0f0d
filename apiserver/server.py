"""The server process: storage, resources and HTTP put together, started in order and stopped in the opposite one."""

import asyncio
import functools
import platform
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version as distribution_version
from pathlib import Path
from typing import Protocol

import structlog

import openapi
from apiserver.audit import AuditLog, Policy
from apiserver.http.agents import Agents
from apiserver.http.api import Api
from apiserver.http.app import App
from apiserver.http.health import Check, Health
from apiserver.http.inflight import LIMIT
from apiserver.http.listening import listening
from apiserver.http.metrics import CertificateMetrics
from apiserver.http.request import Site
from apiserver.incluster import Member, in_cluster
from apiserver.machinery.resource import Resource
from apiserver.machinery.schema import Catalogue
from apiserver.registry.revision import Revision
from apiserver.registry.stored import StoredObjects
from apiserver.resources.cluster import Cluster
from apiserver.standalone import Own, Standalone
from apiserver.storage import tasks
from apiserver.storage.cache import WatchCache
from apiserver.storage.compaction import Compactor
from apiserver.storage.sealing import Sealing
from apiserver.storage.sql import SqlLog
from certs.contexts import ServingContext
from kube.nodes import architecture

log = structlog.get_logger()

SHUTDOWN_SECONDS = 10.0
KUBERNETES_VERSION = ("1", "32")
"""The Kubernetes API level that clients may expect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run a server."""

    address: str
    port: int
    database_url: str
    certificate: Path
    """The certificate to serve with, and in the same file its key."""
    around: Own | Member
    """Whether the server is its own cluster, or part of a Kubernetes cluster, and how."""
    agents: Agents
    """How the agents of nodes are called."""
    shutdown_delay: float = 0
    """How many seconds a server that is to stop goes on serving, for clients to find another one."""
    limit: int = LIMIT
    """How many requests may be under way at once."""
    audit_log: Path | None = None
    """Where to write who did what; nowhere when None."""
    audit_policy: Path | None = None
    """How much of what to write there; metadata of everything but heartbeats and discovery when None."""
    data_volumes: bool = True
    """False where the containerized data importer serves ``cdi.kubevirt.io``."""


class Surroundings(Protocol):
    """What a server has around it: nothing, or a Kubernetes cluster that it is a part of."""

    @property
    def served(self) -> Sequence[Resource]:
        """The kinds that are served."""
        ...

    @property
    def checks(self) -> Mapping[str, Check]:
        """What the server must have there to be ready, by name."""
        ...

    @property
    def client_authorities(self) -> Sequence[Path]:
        """The files of those who sign certificates of clients."""
        ...

    def trusted(self) -> str:
        """Return who else signs certificates of clients now, in PEM."""
        ...

    def sealing(self, database_url: str, /) -> AbstractAsyncContextManager[Sealing]:
        """Return what encrypts what is stored of confidential kinds."""
        ...

    def cache(self, log: SqlLog) -> WatchCache:
        """Return where objects are read from, whose own are in ``log``."""
        ...

    def api(self, store: WatchCache) -> Api:
        """Return what is served from ``store``, to whom."""
        ...

    async def prepare(self, api: Api) -> None:
        """Make what must be there before the first request."""
        ...


async def run(options: Options, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
    """Serve until ``stop`` is set, then finish what is under way; set ``ready`` once requests are answered.

    Raises OSError when the port is taken, AuditPolicyError for a policy that cannot be used; KeyFileError and
    KeyMissingError where what is stored cannot be decrypted; KubeconfigError and HalfConfiguredError where a Kubernetes
    cluster cannot be reached, or does not give the server what it needs.
    """
    async with AsyncExitStack() as stack:
        around = await stack.enter_async_context(_surroundings(options, stop))
        if stop.is_set():  # while the cluster was waited for
            return
        sealing = await stack.enter_async_context(around.sealing(options.database_url))
        sql = await stack.enter_async_context(SqlLog(options.database_url, Revision(around.served), sealing))
        cache = await stack.enter_async_context(around.cache(sql))
        api = around.api(cache)
        await stack.enter_async_context(Compactor(sql))
        tls = _serving_context(options, around, cache)
        health = Health({"storage": cache.check, "serving-certificate": tls.check, **around.checks})
        stack.callback(api.workers.close)
        await around.prepare(api)
        if api.revocations is not None:
            await stack.enter_async_context(tasks.running(api.revocations.enforce(cache), "revocations"))
        audit = await stack.enter_async_context(_auditing(options))
        stopping = asyncio.Event()
        app = App(
            Site(api=api, leaving=health.stopping, stopping=stopping, agents=options.agents),
            health,
            product_version(),
            audit=audit,
            limit=options.limit,
            collectors=[CertificateMetrics(tls.served)],
        )
        await stack.enter_async_context(listening(app, options.address, options.port, tls, SHUTDOWN_SECONDS))
        log.info("serving", address=options.address, port=options.port)
        if ready is not None:
            ready.set()
        await stop.wait()
        log.info("stopping")
        await _leave(health.stopping, stopping, options.shutdown_delay)


def _surroundings(options: Options, stop: asyncio.Event) -> AbstractAsyncContextManager[Surroundings]:
    if isinstance(options.around, Member):
        return in_cluster(_catalogue(), options.around, stop, data_volumes=options.data_volumes)
    return nullcontext(Standalone(_catalogue(), options.around, data_volumes=options.data_volumes))


def _serving_context(options: Options, around: Surroundings, cache: WatchCache) -> ServingContext:
    stored = StoredObjects()
    stored.read_from(cache)
    cluster = Cluster(stored)
    return ServingContext.of(
        options.certificate,
        *around.client_authorities,
        configuration=lambda: cluster.configuration.tls,
        trusted=around.trusted,
    )


async def _leave(leaving: asyncio.Event, stopping: asyncio.Event, seconds: float) -> None:
    """Serve for some ``seconds`` more, in which clients are to leave: kube-apiserver's ``--shutdown-delay-duration``.

    The server is not ready any more, and each answer ends its connection. Watches end half-way, so that their clients
    learn of it, too, before connections that nobody uses are closed.
    """
    leaving.set()
    await asyncio.sleep(seconds / 2)
    stopping.set()
    await asyncio.sleep(seconds / 2)


@functools.cache
def _catalogue() -> Catalogue:
    """Return the schemas. They never change, and compiling them takes a while."""
    return Catalogue.load(openapi.DIRECTORY)


def product_version() -> dict[str, str]:
    """Return the ``version.Info`` that ``/version`` answers."""
    major, minor = KUBERNETES_VERSION
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{major}.{minor}.0+virtplane-{distribution_version('virtplane')}",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": platform.python_implementation(),
        "platform": f"linux/{architecture()}",
    }


@asynccontextmanager
async def _auditing(options: Options) -> AsyncGenerator[AuditLog | None]:
    """Keep the audit log, if one is wanted."""
    if options.audit_log is None:
        yield None
        return
    policy = await asyncio.to_thread(Policy.load, options.audit_policy) if options.audit_policy else Policy()
    audit = AuditLog(options.audit_log, policy)
    writing = asyncio.create_task(audit.run(), name="audit-log")
    try:
        yield audit
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
