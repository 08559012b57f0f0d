"""Trust as objects of the API: Secrets for pairs, a ConfigMap for the bundle, and one for what consumers say.

Source of names, types, keys and the annotation: KubeVirt's ``generate/components/secrets.go`` of its operator.
"""

import base64
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.pair import Pair
from certs.trust import Kept, Report, Request, Shown, Trust, signed_by
from kube.durations import DurationError, parse
from kube.objects import Object

NAMESPACE = "virtplane"
AUTHORITY = "kubevirt-ca"
"""The Secret of the authority, and the ConfigMap of the bundle."""
CONSUMERS = "virtplane-certificate-consumers"
"""The ConfigMap in which each consumer says what it needs and what it holds."""
SECRET_TYPE = "kubernetes.io/tls"  # noqa: S105 - a type
DURATION = "kubevirt.io/duration"
_CERTIFICATE, _KEY, _ISSUER, _BUNDLE = "tls.crt", "tls.key", "ca.crt", "ca-bundle"
_LABELS = {"app.kubernetes.io/managed-by": "virtplane"}


def secret_of(name: str, kept: Kept) -> Object:
    """Return the Secret that keeps a pair."""
    data = {_CERTIFICATE: kept.pair.certificate_pem, _KEY: kept.pair.key_pem}
    if kept.issuer is not None:
        data[_ISSUER] = pem([kept.issuer])
    annotations = {} if kept.duration is None else {DURATION: f"{kept.duration.total_seconds():g}s"}
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
        said = (secret["metadata"].get("annotations") or {}).get(DURATION)
        duration = None if said is None else parse(said)
    except (KeyError, ValueError, DurationError):
        return None
    if not signed_by(pair.certificate, issuer or pair.certificate):
        return None
    return Kept(pair, duration, issuer)


def bundle_of(authorities: Iterable[x509.Certificate]) -> Object:
    """Return the ConfigMap that tells whom to trust."""
    return _config_map(AUTHORITY, {_BUNDLE: pem(authorities).decode()})


def bundled_in(config_map: Object | None) -> tuple[x509.Certificate, ...]:
    """Return whom a ConfigMap says to trust; nobody when it cannot be read."""
    text = ((config_map or {}).get("data") or {}).get(_BUNDLE, "")
    try:
        return tuple(x509.load_pem_x509_certificates(text.encode()))
    except ValueError:
        return ()


def pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """Return certificates in PEM, one after the other."""
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


def consumers_of(consumer: str, said: str) -> Object:
    """Return the ConfigMap in which the first consumer says what it needs and holds."""
    return _config_map(CONSUMERS, {consumer: said})


def statement(wanted: Mapping[str, Request], report: Report) -> str:
    """Return what a consumer says in its ConfigMap."""
    shown = {
        name: {"leaf": each.leaf, "issuer": pem([each.issuer]).decode(), "until": each.until.isoformat()}
        for name, each in report.shown.items()
    }
    said = {
        "wanted": {name: {"user": r.user, "groups": r.groups, "names": r.names} for name, r in wanted.items()},
        "trusted": sorted(report.trusted),
        "shown": shown,
    }
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2).decode()


def trust_in(secrets: Mapping[str, Object], config_maps: Mapping[str, Object]) -> Trust:
    """Return all that is known, from the Secrets and ConfigMaps of the namespace by name."""
    wanted: dict[str, Request] = {}
    reports: dict[str, Report] = {}
    for consumer, said in ((config_maps.get(CONSUMERS) or {}).get("data") or {}).items():
        try:
            asked, reports[consumer] = _stated(orjson.loads(said))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # it will say it again, as it compares what is there with what it has to say
        wanted |= asked
    leaves = {name: kept for name in wanted if (kept := kept_in(secrets.get(name), leaf=True)) is not None}
    return Trust(
        authority=kept_in(secrets.get(AUTHORITY), leaf=False),
        bundle=bundled_in(config_maps.get(AUTHORITY)),
        leaves=leaves,
        wanted=wanted,
        reports=reports,
    )


def _stated(said: dict[str, Any]) -> tuple[dict[str, Request], Report]:
    wanted = {
        name: Request(each["user"], tuple(each["groups"]), tuple(each["names"]))
        for name, each in said["wanted"].items()
    }
    shown = {
        name: Shown(
            each["leaf"],
            x509.load_pem_x509_certificate(each["issuer"].encode()),
            datetime.fromisoformat(each["until"]),
        )
        for name, each in said["shown"].items()
    }
    return wanted, Report(frozenset(said["trusted"]), shown)


def _config_map(name: str, data: dict[str, str]) -> Object:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": _LABELS}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
