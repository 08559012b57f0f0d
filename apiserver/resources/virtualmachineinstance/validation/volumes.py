"""Where the content of disks comes from."""

from collections.abc import Callable, Iterator
from decimal import Decimal

from apiserver.machinery.errors import FieldError
from apiserver.machinery.objectmeta import label_problem
from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.validation.images import image_problems
from apiserver.resources.virtualmachineinstance.validation.values import (
    absolute_path_problems,
    amount,
    duplicates,
    quantity_problems,
)
from kube.encoding import decode

INLINE_BYTES = 2048
"""The most that cloud-init data may have that is not in a Secret (KubeVirt's limit)."""
LARGEST_DISK = Decimal(2**62)
"""Half of what QEMU can address; anything near that is a mistake."""


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
        given = [source for source in _SOURCES if source in volume]
        field = f"{path}.volumes[{i}]"
        if not given:
            yield FieldError.required(field, f"a volume needs one source: {', '.join(_SOURCES)}")
        elif len(given) > 1:
            yield FieldError.forbidden(field, f"{' and '.join(given)} exclude each other; a volume has one source")
        for source in given:
            yield from _SOURCES[source](volume[source], f"{field}.{source}")


def one_cloud_init(spec: Object, path: str) -> Iterator[FieldError]:
    """cloud-init reads one disk only."""
    found = [i for i, volume in enumerate(spec.get("volumes", ())) if "cloudInitNoCloud" in volume]
    for i in found[1:]:
        detail = f"cloud-init reads one volume, and volumes[{found[0]}] is one already"
        yield FieldError.forbidden(f"{path}.volumes[{i}].cloudInitNoCloud", detail)


def _container_disk(source: Object, path: str) -> Iterator[FieldError]:
    yield from image_problems(source["image"], f"{path}.image")
    if source.get("path"):
        yield from absolute_path_problems(source["path"], f"{path}.path")


def _cloud_init(source: Object, path: str) -> Iterator[FieldError]:
    fields = {
        "userData": ("userData", "userDataBase64", "secretRef"),
        "networkData": ("networkData", "networkDataBase64", "networkDataSecretRef"),
    }
    for choices in fields.values():
        given = [choice for choice in choices if source.get(choice)]
        if len(given) > 1:
            yield FieldError.forbidden(f"{path}.{given[1]}", f"{' and '.join(given)} exclude each other; remove one")
    if not any(source.get(choice) for choices in fields.values() for choice in choices):
        yield FieldError.required(f"{path}.userData", "give userData, userDataBase64, secretRef or network data")
    for name, (inline, encoded, reference) in fields.items():
        yield from _inline(name, source.get(inline, "").encode(), f"{path}.{inline}")
        yield from _encoded(name, source.get(encoded, ""), f"{path}.{encoded}")
        if reference in source and not source[reference].get("name"):
            yield FieldError.required(f"{path}.{reference}.name", "name the Secret")


def _inline(name: str, data: bytes, path: str) -> Iterator[FieldError]:
    if len(data) > INLINE_BYTES:
        where = "secretRef" if name == "userData" else "networkDataSecretRef"
        detail = f"has {len(data)} bytes; more than {INLINE_BYTES} go into a Secret that {where} names"
        yield FieldError("FieldValueTooLong", path, f"Too long: {detail}")


def _encoded(name: str, text: str, path: str) -> Iterator[FieldError]:
    try:
        yield from _inline(name, decode(text), path)
    except ValueError:
        # The value may hold a password: it is not repeated.
        yield FieldError("FieldValueInvalid", path, f"Invalid value: must be base64; for plain text use {name}")


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


_SOURCES: dict[str, Callable[[Object, str], Iterator[FieldError]]] = {
    "containerDisk": _container_disk,
    "cloudInitNoCloud": _cloud_init,
    "emptyDisk": _empty_disk,
    "hostDisk": _host_disk,
}
RULES = (names, sources, one_cloud_init)
