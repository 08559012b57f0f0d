"""A server that is its own cluster: it serves every kind, and knows by itself who somebody is and what they may."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from apiserver.auth.accounttokens import AccountTokens
from apiserver.auth.attributes import RequestInfo
from apiserver.auth.authentication import Authenticator
from apiserver.auth.authorization import Authorizer
from apiserver.auth.bootstraptokens import BootstrapTokens
from apiserver.auth.certificates import InstallationCertificates
from apiserver.auth.escalation import Escalation
from apiserver.auth.nodebinding import is_bound
from apiserver.auth.owntokens import OwnTokens
from apiserver.auth.reviews import Reviews
from apiserver.auth.revocation import Revocations, UnrevokedCertificates
from apiserver.auth.roles import Roles
from apiserver.auth.signers import Signers
from apiserver.auth.webtokens import Signer
from apiserver.defaultroles import ensure_default_roles
from apiserver.http.api import Api
from apiserver.http.health import Check
from apiserver.machinery.errors import StatusError
from apiserver.machinery.resource import Caller, Object, Resource
from apiserver.machinery.schema import Catalogue
from apiserver.registry import writing
from apiserver.registry.options import WriteOptions
from apiserver.registry.stored import StoredObjects
from apiserver.resources import actions, resources
from apiserver.resources.kubevirt.standalone import standalone_object
from apiserver.resources.priorityclass import system_classes
from apiserver.storage.cache import WatchCache
from apiserver.storage.contract import Key, NotFoundError
from apiserver.storage.resealing import Resealer
from apiserver.storage.sealing import Sealing
from apiserver.storage.sql import SqlLog
from certs.bundles import Bundles
from certs.objects import pem
from certs.signing import load_signing_key
from kube.installation import NAMESPACE
from kube.nodes import LEASE_NAMESPACE
from kube.users import MASTERS_GROUP, SERVER

NAMESPACES = ("default", "kube-system", "kube-public", LEASE_NAMESPACE, NAMESPACE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What a server needs that is its own cluster; all files are the same on all replicas."""

    client_authorities: Sequence[Path]
    """The bundles of those who may sign certificates of clients."""
    token_key: Path
    """The key that signs tokens of ServiceAccounts."""
    encryption_keys: Path
    """The keys that encrypt what is stored of Secrets."""
    initial_configuration: bool = False
    """True where nobody else configures the system: a new database begins with a KubeVirt object for a single host."""


class Standalone:
    """What a server has around it that has no Kubernetes: nothing (see :class:`apiserver.server.Surroundings`)."""

    def __init__(self, catalogue: Catalogue, own: Own, *, data_volumes: bool) -> None:
        """Raises OSError and ValueError for a key, and for authorities, that cannot be used."""
        self._catalogue = catalogue
        self._own = own
        self._stored = StoredObjects()
        roles = Roles(self._stored)
        self._authorizer = Authorizer(self._bound_to, roles)
        self._tokens = AccountTokens(Signer(load_signing_key(own.token_key)), self._stored)
        self.served = resources(
            catalogue,
            self._stored,
            data_volumes=data_volumes,
            check_grants=Escalation(self._authorizer, roles).check,
            may_use_signer=Signers(self._authorizer).may_use,
        )
        self.checks: Mapping[str, Check] = {}
        self.client_authorities = own.client_authorities
        self._bundles = Bundles(own.client_authorities)

    def trusted(self) -> str:
        """Return who else signs certificates of clients now: those who did a moment ago."""
        return pem(self._bundles.leaving()).decode()

    @asynccontextmanager
    async def sealing(self, database_url: str) -> AsyncGenerator[Sealing]:
        """Encrypt what is stored of confidential kinds with the keys in the file as it changes."""
        sealing = Sealing(each.storage_name for each in self.served if each.confidential)
        async with Resealer(database_url, sealing, self._own.encryption_keys):
            yield sealing

    def cache(self, log: SqlLog) -> WatchCache:
        """Return the watch cache of ``log``."""
        return WatchCache(log)

    def api(self, store: WatchCache) -> Api:
        """Return what is served from ``store``."""
        self._stored.read_from(store)
        vouched = OwnTokens(self._tokens, BootstrapTokens(self._stored))
        revocations = Revocations(self._stored)
        known = InstallationCertificates(self._bundles)
        return Api(
            resources={(resource.group, resource.plural): resource for resource in self.served},
            actions={
                (action.group, action.whole_resource): action
                for action in actions(self.served, self._stored, self._catalogue, self._tokens.issue)
            },
            store=store,
            catalogue=self._catalogue,
            authenticator=Authenticator(UnrevokedCertificates(known, revocations), vouched),
            authorization=self._authorizer,
            revocations=revocations,
            issuer=self._tokens,
            reviews=Reviews(self._authorizer, vouched),
        )

    async def prepare(self, api: Api) -> None:
        """Make the namespaces, priority classes and roles that clients count on, and configure a new database."""
        namespaces = api.resources["", "namespaces"]
        # Together: storage commits them as a group.
        await asyncio.gather(*(_ensure_one(api, namespaces, {"metadata": {"name": name}}) for name in NAMESPACES))
        classes, (*others, last) = api.resources["scheduling.k8s.io", "priorityclasses"], system_classes()
        # What is made last, and nobody can delete, tells a database that this is done with from a new one.
        if self._own.initial_configuration and not await _exists(api, classes, last):
            await _ensure_one(api, api.resources["kubevirt.io", "kubevirts"], standalone_object())
        for each in (*others, last):
            await _ensure_one(api, classes, each)
        await ensure_default_roles(api, _own_write)

    def _bound_to(self, node: str, asked: RequestInfo) -> bool:
        return is_bound(self._stored, node, asked.resource, asked.namespace, asked.object_name)


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
    caller = Caller(SERVER, frozenset({MASTERS_GROUP}), system=True)
    return WriteOptions(caller=caller, version="v1")


async def _exists(api: Api, resource: Resource, obj: Object) -> bool:
    metadata = obj["metadata"]
    try:
        await api.store.get(Key(resource.storage_name, metadata.get("namespace", ""), metadata["name"]))
    except NotFoundError:
        return False
    return True
