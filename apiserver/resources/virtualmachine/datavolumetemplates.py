"""The volumes that a machine brings along: each is made before its first start, and goes with it.

KubeVirt looks at templates of DataVolumes less closely than CDI at what becomes of them; so do these rules.
Source: KubeVirt's ``pkg/storage/admitters/data-volume-template.go``.
"""

from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object

_CLAIMS = ("pvc", "storage")
_ORIGINS = ("source", "sourceRef")
_REFERENCES = ("dataSource", "dataSourceRef")


def validate_data_volume_templates(machine: Object) -> Iterator[FieldError]:
    """Yield everything wrong with the templates of ``machine``, a whole VirtualMachine."""
    used = set(_used(machine["spec"]["template"]["spec"]))
    for i, template in enumerate(machine["spec"].get("dataVolumeTemplates", ())):
        path = f"spec.dataVolumeTemplates[{i}]"
        yield from _identity(template.get("metadata", {}), machine["metadata"].get("namespace", ""), path, used)
        yield from _claim(template.get("spec", {}), f"{path}.spec")
        yield from _origin(template.get("spec", {}), f"{path}.spec")


def _used(spec: Object) -> Iterator[str]:
    """Yield the names of the DataVolumes and claims that volumes are."""
    for volume in spec.get("volumes", ()):
        yield volume.get("dataVolume", {}).get("name", "")
        yield volume.get("persistentVolumeClaim", {}).get("claimName", "")


def _identity(metadata: Object, namespace: str, path: str, used: set[str]) -> Iterator[FieldError]:
    name, there = metadata.get("name"), metadata.get("namespace") or namespace
    if not name:
        yield FieldError.required(f"{path}.metadata.name", "name the DataVolume")
    elif name not in used:
        detail = "no volume of the machine is this DataVolume; add one with dataVolume.name"
        yield FieldError.invalid(f"{path}.metadata.name", name, detail)
    if there != namespace:
        detail = f"must be the namespace of the machine, {namespace}, or be left out"
        yield FieldError.invalid(f"{path}.metadata.namespace", there, detail)


def _claim(spec: Object, path: str) -> Iterator[FieldError]:
    given = [name for name in _CLAIMS if name in spec]
    if not given:
        yield FieldError.required(f"{path}.storage", "say what the claim is like here or in pvc")
    elif len(given) > 1:
        yield FieldError.forbidden(f"{path}.pvc", "pvc and storage exclude each other; remove one")


def _origin(spec: Object, path: str) -> Iterator[FieldError]:
    given = [name for name in _ORIGINS if name in spec]
    populated = any(name in spec.get(claim, {}) for claim in _CLAIMS for name in _REFERENCES)
    if populated and given:
        yield FieldError.forbidden(f"{path}.{given[0]}", "the claim names a data source already; remove one of the two")
    if not populated and not given:
        yield FieldError.required(f"{path}.source", "say where the content comes from here or in sourceRef")
    source = spec.get("source", {"blank": {}})
    if not source:
        yield FieldError.required(f"{path}.source", "name a source, such as blank: {}")
    elif len(source) > 1:
        yield FieldError.forbidden(f"{path}.source", f"{' and '.join(sorted(source))} exclude each other; remove one")
