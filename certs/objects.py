"""Trust as objects of the API: Secrets for pairs, ConfigMaps for bundles, and one for what consumers say.

Source of names, types, keys and the annotation: KubeVirt's ``generate/components/secrets.go`` of its operator.
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Self

import orjson
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.pair import Pair
from certs.purposes import BY_SECRET, OF_AGENTS, PURPOSES, Purpose, signs_for
from certs.trust import UNREADABLE, Kept, Report, Request, Shown, Trust, signed_by
from kube.durations import parse
from kube.installation import NAMESPACE
from kube.objects import Object

CONSUMERS = "virtplane-certificate-consumers"
"""The ConfigMap in which each consumer says what it needs and what it holds."""
STATEMENT_ANNOTATION = "virtplane.io/certificates"
"""On a Node: what the agent says that looks after its certificates itself, as it may write nowhere else."""
SECRET_TYPE = "kubernetes.io/tls"  # noqa: S105 - a type
DURATION = "kubevirt.io/duration"
_URGENT = "virtplane.io/urgent"
_CERTIFICATE, _KEY, _ISSUER, _BUNDLE = "tls.crt", "tls.key", "ca.crt", "ca-bundle"
_LABELS = {"app.kubernetes.io/managed-by": "virtplane"}


def secret_of(name: str, kept: Kept) -> Object:
    """Return the Secret that keeps a pair."""
    data = {_CERTIFICATE: kept.pair.certificate_pem, _KEY: kept.pair.key_pem}
    if kept.issuer is not None:
        data[_ISSUER] = pem([kept.issuer])
    if kept.former:
        data[_BUNDLE] = pem(kept.former)
    annotations = {} if kept.duration is None else {DURATION: f"{kept.duration.total_seconds():g}s"}
    annotations |= {_URGENT: "true"} if kept.urgent else {}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": _LABELS, "annotations": annotations},
        "type": SECRET_TYPE,
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def kept_in(secret: Object | None, *, leaf: bool) -> Kept | None:
    """Return what a Secret keeps, or None when there is none, or one that was tampered with."""
    if secret is None or secret.get("type") != SECRET_TYPE:
        return None
    try:
        data = {key: base64.b64decode(text, validate=True) for key, text in (secret.get("data") or {}).items()}
        pair = Pair.parse(data[_CERTIFICATE], data[_KEY])
        issuer = x509.load_pem_x509_certificate(data[_ISSUER]) if leaf else None
        former = x509.load_pem_x509_certificates(data[_BUNDLE]) if _BUNDLE in data else ()
        annotations = secret["metadata"].get("annotations") or {}
        duration = parse(annotations[DURATION]) if DURATION in annotations else None
    except (KeyError, *UNREADABLE):
        return None
    if not signed_by(pair.certificate, issuer or pair.certificate):
        return None
    return Kept(pair, duration, issuer, tuple(former), urgent=_URGENT in annotations)


def bundle_of(purpose: Purpose, authorities: Iterable[x509.Certificate]) -> Object:
    """Return the ConfigMap that tells whom to trust."""
    return _config_map(purpose.authority, {_BUNDLE: pem(authorities).decode()})


def bundled_in(config_map: Object | None) -> tuple[x509.Certificate, ...]:
    """Return whom a ConfigMap says to trust; nobody when it cannot be read."""
    text = ((config_map or {}).get("data") or {}).get(_BUNDLE, "")
    try:
        return tuple(x509.load_pem_x509_certificates(text.encode()))
    except UNREADABLE:
        return ()


def pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """Return certificates in PEM, one after the other."""
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one consumer says of itself."""

    at: datetime
    """When; said again every minute, so that one that is gone is not waited for."""
    node: str = ""
    """The node that it is on, if that matters."""
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The leaves that it needs, by the names of their Secrets, and the names that each is to be served under."""
    trusted: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The fingerprints of whom it believes, by the authorities' names; it verifies nobody by those that are missing."""
    shown: Mapping[str, Shown] = field(default_factory=dict)
    """What it shows to its peers, by the names of the Secrets that such leaves come from."""

    def json(self) -> str:
        """Return it as it is stored."""
        shown = {
            name: {"leaf": each.leaf, "issuer": each.issuer, "until": each.until.isoformat()}
            for name, each in self.shown.items()
        }
        trusted = {name: sorted(each) for name, each in self.trusted.items()}
        said = {"at": self.at.isoformat(), "node": self.node, "names": self.names, "trusted": trusted, "shown": shown}
        return orjson.dumps(said, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2).decode()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``json`` wrote. Raises ValueError for anything else."""
        try:
            content = orjson.loads(text)
            said = cls(
                at=_moment(content["at"]),
                node=str(content["node"]),
                names={name: tuple(map(str, each)) for name, each in content["names"].items()},
                trusted={name: frozenset(each) for name, each in content["trusted"].items()},
                shown={
                    name: Shown(str(each["leaf"]), str(each["issuer"]), _moment(each["until"]))
                    for name, each in content["shown"].items()
                },
            )
            for purpose in PURPOSES:
                said.requests(purpose)
        except (KeyError, TypeError, AttributeError) as wrong:
            raise ValueError(f"this is no statement: {wrong}") from wrong
        return said

    def is_due_again(self, new: "Statement", interval: timedelta) -> bool:
        """Return True when ``new`` is to take its place: when it says something else, or after some time."""
        return replace(new, at=self.at) != self or not timedelta(0) <= new.at - self.at < interval

    def requests(self, purpose: Purpose) -> dict[str, Request]:
        """Return what it needs of one authority. Raises ValueError for what cannot be."""
        asked = ((BY_SECRET[name], names) for name, names in self.names.items() if _of(name, purpose))
        return {leaf.secret: leaf.request(names, self.node) for leaf, names in asked}

    def report(self, purpose: Purpose) -> Report | None:
        """Return what it holds of one authority; None when it has nothing to do with that."""
        trusted = self.trusted.get(purpose.authority)
        shown = {name: each for name, each in self.shown.items() if _of(name, purpose)}
        return Report(self.at, trusted, shown) if shown or trusted is not None else None


def consumers_of(consumer: str, said: Statement) -> Object:
    """Return the ConfigMap in which the first consumer says what it needs and holds."""
    return _config_map(CONSUMERS, {consumer: said.json()})


def statements(config_map: Object | None) -> dict[str, Statement]:
    """Return what consumers say, by their names."""
    found: dict[str, Statement] = {}
    for consumer, said in ((config_map or {}).get("data") or {}).items():
        try:
            found[consumer] = _parsed(said)
        except ValueError:
            continue  # it will say it again, as it compares what is there with what it has to say
    return found


def statements_of(nodes: Iterable[Object]) -> dict[str, Statement]:
    """Return what agents say on their Nodes, by those; they ask for nothing there."""
    annotated = {each["metadata"]["name"]: each["metadata"].get("annotations") or {} for each in nodes}
    said = {
        f"node:{name}": found[STATEMENT_ANNOTATION]
        for name, found in annotated.items()
        if STATEMENT_ANNOTATION in found
    }
    return {name: replace(each, names={}) for name, each in statements({"data": said}).items()}


def trust_in(
    purpose: Purpose,
    secrets: Mapping[str, Object],
    config_maps: Mapping[str, Object],
    said: Mapping[str, Statement],
    agents: Mapping[str, Statement] = MappingProxyType({}),
) -> Trust:
    """Return all that is known of one authority, from the Secrets and ConfigMaps of the namespace by name."""
    wanted: dict[str, Request] = {}
    for statement in said.values():
        for name, request in statement.requests(purpose).items():
            # Several who serve by the same leaf have all of their names in it.
            names = (*wanted[name].names, *request.names) if name in wanted else request.names
            wanted[name] = replace(request, names=tuple(dict.fromkeys(names)))
    authority = kept_in(secrets.get(purpose.authority), leaf=False)
    trust = Trust(
        authority=authority if authority and signs_for(purpose, authority.pair.certificate) else None,
        bundle=bundled_in(config_maps.get(purpose.authority)),
        wanted=wanted,
        reports=_reports(purpose, said),
        # An agent holds up no authority that it has nothing to do with.
        agents=_reports(purpose, agents) if purpose in OF_AGENTS else {},
    )
    leaves = {name: kept_in(secrets.get(name), leaf=True) for name in wanted}
    # A leaf of an authority that was never one is not ours.
    known = trust.known().values()
    return replace(trust, leaves={name: kept for name, kept in leaves.items() if kept and kept.issuer in known})


def _reports(purpose: Purpose, said: Mapping[str, Statement]) -> dict[str, Report]:
    reports = {name: each.report(purpose) for name, each in said.items()}
    return {name: each for name, each in reports.items() if each is not None}


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment


# The same is read for each authority, and whenever anything else has changed.
_parsed = lru_cache(256)(Statement.parse)


def _of(secret: str, purpose: Purpose) -> bool:
    return secret in BY_SECRET and BY_SECRET[secret].purpose is purpose


def _config_map(name: str, data: dict[str, str]) -> Object:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": _LABELS}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
