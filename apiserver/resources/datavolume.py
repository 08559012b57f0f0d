"""DataVolume: a volume and the content that it starts with."""

from collections.abc import Iterable, Iterator
from typing import Any

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Column, Object, Resource, Strategy
from apiserver.machinery.schema import Catalogue
from apiserver.resources.rules import AGE, immutable
from apiserver.resources.versions import versions
from kube.quantity import QuantityError, parse

GROUP = "cdi.kubevirt.io"
VERSIONS = ("v1beta1",)
KIND = "DataVolume"
COLUMNS = (
    Column(name="Phase", json_path=".status.phase"),
    Column(name="Progress", json_path=".status.progress"),
    Column(name="Restarts", json_path=".status.restartCount", type="integer"),
    AGE,
)
_LEAST = 2**20
"""Bytes of the smallest volume."""
_CLONED = ("pvc", "snapshot")
_STAGED = ("imageio", "vddk")
_STAGES = ("checkpoints", "finalCheckpoint")
_WEB = ("http://", "https://", "gs://")
_URLS = {
    "http": _WEB,
    "s3": _WEB,
    "gcs": _WEB,
    "imageio": _WEB,
    "vddk": _WEB,
    "registry": ("docker://", "oci-archive://"),
}
"""How the addresses of the sources may begin."""
_NEEDED = {
    "pvc": ("namespace", "name"),
    "snapshot": ("namespace", "name"),
    "imageio": ("diskId", "secretRef"),
    "vddk": ("uuid", "backingFile", "thumbprint", "secretRef"),
}
"""What of a source may not be empty."""


class DataVolumeStrategy(Strategy):
    """What is being transferred cannot become something else.

    Source of the rules: the containerized data importer's admission (``pkg/apiserver/webhooks``).
    """

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the spec."""
        return _spec_errors(new["spec"], "spec")

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield an error when the spec has changed, other than by another stage of a warm migration."""
        spec, before = new["spec"], old["spec"]
        if spec.get("checkpoints") and any(each in spec.get("source", {}) for each in _STAGED):
            spec, before = _without_stages(spec), _without_stages(before)
        yield from immutable({"spec": spec}, {"spec": before}, ("spec",))


def _spec_errors(spec: Object, path: str) -> Iterator[FieldError]:
    claims = [name for name in ("pvc", "storage") if name in spec]
    if not claims:
        yield FieldError.required(f"{path}.storage", "say what the claim is like here or in pvc")
    elif len(claims) > 1:
        yield FieldError.forbidden(f"{path}.pvc", "pvc and storage exclude each other")
    for name in claims:
        yield from _claim_errors(spec, name, path)
    yield from _origin_errors(spec, claims, path)
    yield from _source_errors(spec, f"{path}.source")


def _claim_errors(spec: Object, name: str, path: str) -> Iterator[FieldError]:
    claim, at = spec[name], f"{path}.{name}"
    modes = claim.get("accessModes", [])
    if name == "pvc" and len(modes) != 1:
        yield FieldError.invalid(f"{at}.accessModes", modes, "must be exactly one access mode")
    size = claim.get("resources", {}).get("requests", {}).get("storage")
    where = f"{at}.resources.requests.storage"
    copied = "sourceRef" in spec or any(each in spec.get("source", {}) for each in _CLONED)
    if size is not None:
        yield from _size_errors(size, where)
    elif name == "pvc" or not copied:
        yield FieldError.required(where, "say how large the volume is, such as 10Gi")


def _size_errors(size: Any, path: str) -> Iterator[FieldError]:
    try:
        if parse(size) < _LEAST:
            yield FieldError.invalid(path, size, "must be at least 1Mi")
    except QuantityError as problem:
        yield FieldError.invalid(path, size, str(problem))


def _origin_errors(spec: Object, claims: list[str], path: str) -> Iterator[FieldError]:
    """Content comes from ``source``, from ``sourceRef``, or through the claim's own data source."""
    said = [name for name in ("source", "sourceRef") if name in spec]
    populated = [name for name in claims if "dataSource" in spec[name] or "dataSourceRef" in spec[name]]
    for name in populated:
        if said:
            yield FieldError.forbidden(f"{path}.{said[0]}", f"{path}.{name} names a data source already")
        if (other := spec[name].get("dataSourceRef", {})).get("namespace"):
            detail = "data sources of other namespaces cannot be used"
            yield FieldError.invalid(f"{path}.{name}.dataSourceRef.namespace", other["namespace"], detail)
    if len(said) > 1:
        yield FieldError.forbidden(f"{path}.sourceRef", "source and sourceRef exclude each other")
    elif not said and not populated:
        yield FieldError.required(f"{path}.source", "say where the content comes from here or in sourceRef")
    if (reference := spec.get("sourceRef")) is not None:
        if reference["kind"] != "DataSource":
            yield FieldError.not_supported(f"{path}.sourceRef.kind", reference["kind"], ("DataSource",))
        if not reference["name"]:
            yield FieldError.required(f"{path}.sourceRef.name")


def _source_errors(spec: Object, path: str) -> Iterator[FieldError]:
    if (source := spec.get("source")) is None:
        return
    if len(source) != 1:
        yield FieldError.invalid(path, sorted(source), "must be exactly one source")
    for name, each in source.items():
        yield from _detail_errors(name, each, f"{path}.{name}")
    if "blank" in source and spec.get("contentType") == "archive":
        yield FieldError.forbidden(f"{path}.blank", "an archive has content")
    if "registry" in source:
        yield from _registry_errors(source["registry"], spec, f"{path}.registry")


def _detail_errors(name: str, source: Object, path: str) -> Iterator[FieldError]:
    for field in _NEEDED.get(name, ()):
        if not source.get(field):
            yield FieldError.required(f"{path}.{field}")
    if name == "imageio" and not source.get("certConfigMap") and not source.get("insecureSkipVerify"):
        yield FieldError.required(f"{path}.certConfigMap", "name the authorities to trust, or set insecureSkipVerify")
    beginnings = _URLS.get(name, ())
    url = source.get("url", "")
    if beginnings and not url.startswith(beginnings) and (url or name != "registry"):
        yield FieldError.invalid(
            f"{path}.url", url, f"must begin with {', '.join(beginnings[:-1])} or {beginnings[-1]}"
        )


def _registry_errors(registry: Object, spec: Object, path: str) -> Iterator[FieldError]:
    if spec.get("contentType") == "archive":
        yield FieldError.forbidden(path, "a container image holds no archive")
    if ("url" in registry) == ("imageStream" in registry):
        yield FieldError.invalid(path, sorted(registry), "needs either url or imageStream")
    pulls = registry.get("pullMethod", "pod")
    if pulls not in ("pod", "node"):
        yield FieldError.not_supported(f"{path}.pullMethod", pulls, ("pod", "node"))
    elif "imageStream" in registry and pulls != "node":
        yield FieldError.invalid(f"{path}.pullMethod", pulls, "must be node to use an imageStream")


def _without_stages(spec: Object) -> Object:
    return {key: value for key, value in spec.items() if key not in _STAGES}


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    return Resource(
        group=GROUP,
        kind=KIND,
        plural="datavolumes",
        singular="datavolume",
        short_names=("dv", "dvs"),
        categories=("all",),
        namespaced=True,
        versions=versions(catalogue, GROUP, KIND, VERSIONS, COLUMNS),
        strategy=DataVolumeStrategy(),
        has_status=True,
        has_generation=True,
        custom=True,
        unattended=True,
    )
