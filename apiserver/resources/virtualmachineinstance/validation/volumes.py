"""Where the content of disks and filesystems comes from."""

from collections.abc import Callable, Iterator
from decimal import Decimal

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.gates import gate_errors
from apiserver.resources.virtualmachineinstance.validation.cloudinit import cloud_init_problems
from apiserver.resources.virtualmachineinstance.validation.images import image_problems
from apiserver.resources.virtualmachineinstance.validation.values import (
    absolute_path_problems,
    amount,
    duplicates,
    quantity_problems,
)
from kube.configuration import Configuration
from kube.names import label_problem

LARGEST_DISK = Decimal(2**62)
"""Half of what QEMU can address; anything near that is a mistake."""
GATES = {
    "hostDisk": "HostDisk",
    "downwardMetrics": "DownwardMetrics",
    "containerPath": "ContainerPathVolumes",
}
"""The sources that are behind one."""
SINGLE = ("serviceAccount", "downwardMetrics", "memoryDump")
"""The sources of which a guest has one volume at most."""


def names(spec: Object, path: str) -> Iterator[FieldError]:
    """Every volume has a name of its own, fit to name files by."""
    volumes = spec.get("volumes", [])
    yield from duplicates(volumes, f"{path}.volumes")
    for i, volume in enumerate(volumes):
        if problem := label_problem(volume["name"]):
            yield FieldError.invalid(f"{path}.volumes[{i}].name", volume["name"], problem)


def sources(spec: Object, path: str) -> Iterator[FieldError]:
    """Every volume has exactly one source, and that is a sound one."""
    for i, volume in enumerate(spec.get("volumes", ())):
        given = [key for key in volume if key in SOURCES]
        field = f"{path}.volumes[{i}]"
        if not given:
            yield FieldError.required(field, f"a volume needs one source: {', '.join(SOURCES)}")
        elif len(given) > 1:
            yield FieldError.forbidden(field, f"{' and '.join(given)} exclude each other; a volume has one source")
        for source in given:
            if check := _CHECKS.get(source):
                yield from check(volume[source], f"{field}.{source}")


def singles(spec: Object, path: str) -> Iterator[FieldError]:
    """What can be there once is there once."""
    for source in SINGLE:
        found = [i for i, volume in enumerate(spec.get("volumes", ())) if source in volume]
        for i in found[1:]:
            detail = f"a guest has one such volume at most, and volumes[{found[0]}] is one already"
            yield FieldError.forbidden(f"{path}.volumes[{i}].{source}", detail)


def gated_sources(spec: Object, path: str, configuration: Configuration) -> Iterator[FieldError]:
    """Some sources are behind a gate."""
    for i, volume in enumerate(spec.get("volumes", ())):
        for source in GATES.keys() & volume.keys():
            yield from gate_errors(configuration, GATES[source], f"{path}.volumes[{i}].{source}")


def utility_volumes(spec: Object, path: str) -> Iterator[FieldError]:
    """Utility volumes come to guests that run."""
    if spec.get("utilityVolumes"):
        detail = "such volumes are attached to a guest that runs; remove them here"
        yield FieldError.forbidden(f"{path}.utilityVolumes", detail)


def _container_disk(source: Object, path: str) -> Iterator[FieldError]:
    yield from image_problems(source["image"], f"{path}.image")
    if source.get("path"):
        yield from absolute_path_problems(source["path"], f"{path}.path")


def _empty_disk(source: Object, path: str) -> Iterator[FieldError]:
    yield from _capacity(source["capacity"], f"{path}.capacity")


def _host_disk(source: Object, path: str) -> Iterator[FieldError]:
    if not source["path"]:
        yield FieldError.required(f"{path}.path", "name a file of the node")
    else:
        yield from absolute_path_problems(source["path"], f"{path}.path")
    kind, capacity = source["type"], source.get("capacity")
    if kind not in ("Disk", "DiskOrCreate"):
        yield FieldError.not_supported(f"{path}.type", kind, ("Disk", "DiskOrCreate"))
    if kind == "DiskOrCreate" and capacity is None:
        yield FieldError.required(f"{path}.capacity", "say how large the file to create is, such as 10Gi")
    if kind == "Disk" and capacity is not None:
        yield FieldError.forbidden(f"{path}.capacity", "is only for type DiskOrCreate; a file that exists has its size")
    elif capacity is not None:
        yield from _capacity(capacity, f"{path}.capacity")


def _capacity(value: str | int, path: str) -> Iterator[FieldError]:
    size = amount(value)
    if size is not None and size > LARGEST_DISK:
        yield FieldError.invalid(path, value, "must be at most 4Ei")
    else:
        yield from quantity_problems(value, path, positive=True)


def _named(key: str, kind: str) -> Callable[[Object, str], Iterator[FieldError]]:
    def problems(source: Object, path: str) -> Iterator[FieldError]:
        if not source.get(key):
            yield FieldError.required(f"{path}.{key}", f"name the {kind}")

    return problems


_CHECKS: dict[str, Callable[[Object, str], Iterator[FieldError]]] = {
    "containerDisk": _container_disk,
    "cloudInitNoCloud": cloud_init_problems,
    "emptyDisk": _empty_disk,
    "hostDisk": _host_disk,
    "cloudInitConfigDrive": cloud_init_problems,
    "dataVolume": _named("name", "DataVolume"),
    "configMap": _named("name", "ConfigMap"),
    "secret": _named("secretName", "Secret"),
    "serviceAccount": _named("serviceAccountName", "ServiceAccount"),
}
SOURCES = (
    *_CHECKS,
    "persistentVolumeClaim",
    "ephemeral",
    "downwardAPI",
    "downwardMetrics",
    "memoryDump",
    "sysprep",
    "containerPath",
)
RULES = (names, sources, singles, utility_volumes)
CONFIGURED = (gated_sources,)
