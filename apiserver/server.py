"""The server process: storage, resources and HTTP put together, started in order and stopped in the opposite one."""

import asyncio
import functools
import platform
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version as distribution_version
from pathlib import Path

import structlog
from aiohttp import web

import openapi
from apiserver.audit import AuditLog, Policy
from apiserver.auth.accounttokens import AccountTokens
from apiserver.auth.attributes import RequestInfo
from apiserver.auth.authentication import Authenticator
from apiserver.auth.authorization import Authorizer
from apiserver.auth.escalation import Escalation
from apiserver.auth.identities import MASTERS_GROUP
from apiserver.auth.nodebinding import is_bound
from apiserver.auth.reviews import Reviews
from apiserver.auth.roles import Roles
from apiserver.auth.signers import Signers
from apiserver.auth.webtokens import Signer
from apiserver.defaultroles import ensure_default_roles
from apiserver.http.api import Api
from apiserver.http.app import make_app
from apiserver.http.health import Health
from apiserver.http.inflight import LIMIT
from apiserver.http.protocol import MAX_FIELD_BYTES, MAX_LINE_BYTES, Protocol
from apiserver.machinery.errors import StatusError
from apiserver.machinery.resource import Caller, Object, Resource
from apiserver.machinery.schema import Catalogue
from apiserver.registry import writing
from apiserver.registry.options import WriteOptions
from apiserver.registry.revision import Revision
from apiserver.registry.stored import StoredObjects
from apiserver.resources import actions, resources
from apiserver.resources.kubevirt.standalone import standalone_object
from apiserver.resources.priorityclass import system_classes
from apiserver.storage.cache import WatchCache
from apiserver.storage.compaction import Compactor
from apiserver.storage.contract import Key, NotFoundError
from apiserver.storage.sql import SqlLog
from certs.contexts import serving_context
from certs.signing import load_signing_key
from kube.nodes import LEASE_NAMESPACE, architecture

log = structlog.get_logger()

NAMESPACES = ("default", "kube-system", "kube-public", LEASE_NAMESPACE, "virtplane")
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
    key: Path
    client_ca: Path
    token_key: Path
    """The key that signs tokens of ServiceAccounts; on all replicas the same."""
    limit: int = LIMIT
    """How many requests may be under way at once."""
    audit_log: Path | None = None
    """Where to write who did what; nowhere when None."""
    audit_policy: Path | None = None
    """How much of what to write there; metadata of everything but heartbeats and discovery when None."""
    initial_configuration: bool = False
    """True where nobody else configures the system: a new database begins with a KubeVirt object for a single host."""
    data_volumes: bool = True
    """False where the containerized data importer serves ``cdi.kubevirt.io``."""


async def run(options: Options, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
    """Serve until ``stop`` is set, then finish what is under way; set ``ready`` once requests are answered.

    Raises OSError when the port is taken, AuditPolicyError for a policy that cannot be used.
    """
    async with AsyncExitStack() as stack:
        stored = StoredObjects()
        authorizer, roles = _authorization(stored)
        check = Escalation(authorizer, roles).check
        served = resources(
            _catalogue(),
            stored,
            data_volumes=options.data_volumes,
            check_grants=check,
            may_use_signer=Signers(authorizer).may_use,
        )
        sql = await stack.enter_async_context(SqlLog(options.database_url, Revision(served)))
        cache = await stack.enter_async_context(WatchCache(sql))
        stored.read_from(cache)
        await stack.enter_async_context(Compactor(sql))
        health = Health({"storage": sql.check})
        tokens = AccountTokens(Signer(load_signing_key(options.token_key)), stored)
        api = _api(served, stored, cache, authorizer, tokens)
        stack.callback(api.workers.close)
        await _ensure(api, configure=options.initial_configuration)
        audit = await stack.enter_async_context(_auditing(options))
        tls = serving_context(options.certificate, options.key, options.client_ca)
        await _serve(stack, make_app(api, health, product_version(), audit=audit, limit=options.limit), options, tls)
        log.info("serving", address=options.address, port=options.port)
        if ready is not None:
            ready.set()
        await stop.wait()
        health.stopping.set()
        log.info("stopping")


def _authorization(stored: StoredObjects) -> tuple[Authorizer, Roles]:
    def bound_to(node: str, asked: RequestInfo) -> bool:
        return is_bound(stored, node, asked.resource, asked.namespace, asked.object_name)

    roles = Roles(stored)
    return Authorizer(bound_to, roles), roles


def _api(
    served: Sequence[Resource], stored: StoredObjects, cache: WatchCache, authorizer: Authorizer, tokens: AccountTokens
) -> Api:
    return Api(
        resources={(resource.group, resource.plural): resource for resource in served},
        actions={
            (action.group, action.whole_resource): action
            for action in actions(served, stored, _catalogue(), tokens.issue)
        },
        store=cache,
        catalogue=_catalogue(),
        authenticator=Authenticator(tokens),
        authorization=authorizer,
        issuer=tokens,
        reviews=Reviews(authorizer, tokens),
    )


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


async def _serve(stack: AsyncExitStack, app: web.Application, options: Options, tls: ssl.SSLContext) -> None:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    loop, manager = asyncio.get_running_loop(), runner.server
    assert manager is not None  # noqa: S101 - there since the setup

    def connected() -> Protocol:
        return Protocol(
            manager,
            loop=loop,
            access_log=None,  # pyright: ignore[reportArgumentType] - aiohttp's own runner does so for none
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_FIELD_BYTES,
        )

    listening = await loop.create_server(connected, options.address, options.port, ssl=tls, reuse_address=True)
    stack.callback(listening.close)


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


async def _ensure(api: Api, *, configure: bool) -> None:
    """Make the namespaces, priority classes and roles that clients count on; ``configure`` a new database, too."""
    namespaces = api.resources["", "namespaces"]
    # Together: storage commits them as a group.
    await asyncio.gather(*(_ensure_one(api, namespaces, {"metadata": {"name": name}}) for name in NAMESPACES))
    classes, (*others, last) = api.resources["scheduling.k8s.io", "priorityclasses"], system_classes()
    # What is made last, and nobody can delete, tells a database that this is done with from a new one.
    if configure and not await _exists(api, classes, last):
        await _ensure_one(api, api.resources["kubevirt.io", "kubevirts"], standalone_object())
    for each in (*others, last):
        await _ensure_one(api, classes, each)
    await ensure_default_roles(api, _own_write)


async def _ensure_one(api: Api, resource: Resource, obj: Object) -> None:
    if await _exists(api, resource, obj):
        return
    try:
        await writing.create(resource, api.store, obj["metadata"].get("namespace", ""), obj, _own_write())
    except StatusError as refused:
        # Another replica that starts at the same time may come first.
        if refused.reason != "AlreadyExists":
            raise


def _own_write() -> WriteOptions:
    caller = Caller("system:apiserver", frozenset({MASTERS_GROUP}), system=True)
    return WriteOptions(caller=caller, version="v1")


async def _exists(api: Api, resource: Resource, obj: Object) -> bool:
    metadata = obj["metadata"]
    try:
        await api.store.get(Key(resource.storage_name, metadata.get("namespace", ""), metadata["name"]))
    except NotFoundError:
        return False
    return True
