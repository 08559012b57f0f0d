"""Callers that the cluster's front proxy names, and those who show a certificate of the cluster's to us directly.

kube-aggregator authenticates its clients, and tells in headers who they are. Whoever else sends such headers is not
listened to. Source: ``k8s.io/apiserver/pkg/authentication/request/headerrequest/requestheader.go``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import unquote

from apiserver.auth.certificates import common_name, from_subject
from apiserver.auth.clustertrust import ClusterTrust, RequestHeaders
from apiserver.auth.identities import Extra, is_text, told
from apiserver.machinery.resource import Caller


class ClusterCertificates:
    """Knows whose the certificates are that a cluster's authorities have signed."""

    def __init__(self, trust: Callable[[], ClusterTrust]) -> None:
        """``trust`` tells whom to trust at this moment."""
        self._trust = trust

    def owner(self, certificate: bytes, headers: Mapping[str, str]) -> Caller | None:
        """Return whom the front proxy names, or whom any other certificate does; None for nobody."""
        trust = self._trust()
        if (
            trust.proxy is not None
            and _is_front_proxy(trust.proxy, certificate)
            and (named := _named(trust.proxy, headers)) is not None
        ):
            return named
        leaf = trust.clients.signed(certificate)
        return from_subject(leaf) if leaf is not None else None


def _is_front_proxy(proxy: RequestHeaders, certificate: bytes) -> bool:
    leaf = proxy.authorities.signed(certificate)
    return leaf is not None and (not proxy.allowed_names or common_name(leaf.subject) in proxy.allowed_names)


def _named(proxy: RequestHeaders, headers: Mapping[str, str]) -> Caller | None:
    """Return whom the headers name; None when they name nobody."""
    meant = {*proxy.users, *proxy.groups, *proxy.uids}
    given: dict[str, list[str]] = {}
    for header, value in headers.items():
        if (name := header.lower()) in meant or name.startswith(proxy.extra_prefixes):
            if not is_text(value):
                return None
            given.setdefault(name, []).append(value)
    user = next(_values(given, proxy.users), "")
    if not user:
        return None
    uid = next(_values(given, proxy.uids), "")
    return told(user, _values(given, proxy.groups), uid=uid, extra=_extra(given, proxy.extra_prefixes))


def _values(given: Mapping[str, list[str]], names: Iterable[str]) -> Iterator[str]:
    """Yield the values that headers have, in the order of ``names``."""
    return (value for name in names for value in given.get(name, ()) if value)


def _extra(given: Mapping[str, list[str]], prefixes: Iterable[str]) -> Extra:
    found: dict[str, list[str]] = {}
    for prefix in prefixes:
        for name in sorted(given):
            if name.startswith(prefix):
                found.setdefault(unquote(name.removeprefix(prefix)), []).extend(given[name])
    return tuple((key, tuple(values)) for key, values in found.items())
