"""Whom a cluster lets its aggregated servers trust: its front proxy, and the authority of its users' certificates.

kube-apiserver publishes that in a ConfigMap. It is followed while the server runs, and nobody is trusted while it is
absent or says something that cannot be understood. Source: ``k8s.io/apiserver/pkg/server/options/authentication.go``
and ``pkg/authentication/request/headerrequest``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from apiserver.auth.certificates import Authorities
from client.api import Client
from client.informer import Informer
from client.kinds import CONFIG_MAP
from kube.objects import Object

log = structlog.get_logger(__name__)

NAMESPACE, NAME = "kube-system", "extension-apiserver-authentication"
_PREFIX = "requestheader-"


class ClusterTrustError(ValueError):
    """The ConfigMap cannot be understood; the message says which key is to blame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHeaders:
    """Who may say in a request's headers whose request it is, and in which."""

    authorities: Authorities
    """Who signs the front proxy's certificate."""
    allowed_names: frozenset[str] = frozenset()
    """The common names that it may have; empty for any."""
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    uids: tuple[str, ...] = ()
    extra_prefixes: tuple[str, ...] = ()
    """All in lower case; the first header of a list that has a value counts, but those of groups all do."""


@dataclass(frozen=True, slots=True)
class ClusterTrust:
    """Whom the cluster says to trust, at one moment."""

    clients: Authorities = field(default_factory=lambda: Authorities(()))
    proxy: RequestHeaders | None = None

    @classmethod
    def of(cls, data: Mapping[str, str]) -> "ClusterTrust":
        """Return what the ConfigMap's ``data`` says. Raises ClusterTrustError."""
        clients = Authorities(_certificates(data, "client-ca-file"))
        authorities = Authorities(_certificates(data, f"{_PREFIX}client-ca-file"))
        users = _names(data, "username-headers")
        if not authorities.certificates or not users:
            return cls(clients)
        allowed = frozenset(_list(data, "allowed-names"))
        if not allowed and not _keys(authorities).isdisjoint(_keys(clients)):
            raise ClusterTrustError(
                f"{_PREFIX}allowed-names is empty while users have certificates of the same authority as the front "
                "proxy: each of them could say to be anybody"
            )
        proxy = RequestHeaders(
            authorities=authorities,
            allowed_names=allowed,
            users=users,
            groups=_names(data, "group-headers"),
            uids=_names(data, "uid-headers"),
            extra_prefixes=_names(data, "extra-headers-prefix"),
        )
        return cls(clients, proxy)

    @property
    def pem(self) -> str:
        """All whose signature makes a client's certificate worth a look, for TLS to verify it by."""
        proxies = self.proxy.authorities.certificates if self.proxy else ()
        found = dict.fromkeys((*self.clients.certificates, *proxies))
        return "".join(each.public_bytes(Encoding.PEM).decode() for each in found)


class LiveClusterTrust:
    """Whom to trust now; nobody until the ConfigMap is known."""

    def __init__(self, config_maps: Informer) -> None:
        """``config_maps`` is that of :func:`informer`, and is run by somebody else."""
        self.now = ClusterTrust()
        config_maps.add_handler(self._follow)

    def _follow(self, _old: Object | None, new: Object | None) -> None:
        try:
            self.now = ClusterTrust.of(new.get("data") or {}) if new is not None else ClusterTrust()
        except ClusterTrustError as wrong:
            self.now = ClusterTrust()
            log.error("nobody is trusted, neither front proxy nor certificate", config_map=NAME, why=str(wrong))  # noqa: TRY400 - the reason says it all
            return
        log.info("trusting whom the cluster says", front_proxy=self.now.proxy is not None)

    async def check(self) -> None:
        """Raise ClusterTrustError while there is no front proxy to trust, through which nearly all callers come."""
        if self.now.proxy is None:
            raise ClusterTrustError(f"the ConfigMap {NAMESPACE}/{NAME} names no front proxy that could be trusted")


def informer(client: Client) -> Informer:
    """Return what follows the ConfigMap, which is one of the few objects that every server in a cluster may read."""
    return Informer(client, CONFIG_MAP, namespace=NAMESPACE, field_selector=f"metadata.name={NAME}")


def _certificates(data: Mapping[str, str], key: str) -> list[x509.Certificate]:
    text = data.get(key, "").strip()
    try:
        return x509.load_pem_x509_certificates(text.encode()) if text else []
    except ValueError as broken:
        raise ClusterTrustError(f"{key} holds no certificates in PEM: {broken}") from broken


def _keys(authorities: Authorities) -> set[bytes]:
    """Return the public keys, in one encoding."""
    keys = (each.public_key() for each in authorities.certificates)
    return {each.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for each in keys}


def _list(data: Mapping[str, str], key: str) -> list[str]:
    try:
        found = orjson.loads(data.get(_PREFIX + key) or "[]")
    except orjson.JSONDecodeError as broken:
        raise ClusterTrustError(f"{_PREFIX}{key} is not JSON: {broken}") from broken
    if not isinstance(found, list) or not all(isinstance(each, str) and each for each in found):
        raise ClusterTrustError(f"{_PREFIX}{key} is not a list of words")
    return found


def _names(data: Mapping[str, str], key: str) -> tuple[str, ...]:
    """Return the names of headers, which have no case."""
    return tuple(each.lower() for each in _list(data, key))
