"""What cloud-init is told, and by how many volumes."""

from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from kube.encoding import decode

INLINE_BYTES = 2048
"""The most that cloud-init data may have that is not in a Secret (KubeVirt's limit)."""
SOURCES = ("cloudInitNoCloud", "cloudInitConfigDrive")
_FIELDS = {
    "userData": ("userData", "userDataBase64", "secretRef"),
    "networkData": ("networkData", "networkDataBase64", "networkDataSecretRef"),
}


def one_cloud_init(spec: Object, path: str) -> Iterator[FieldError]:
    """cloud-init reads one disk only."""
    found = [(i, source) for i, each in enumerate(spec.get("volumes", ())) for source in SOURCES if source in each]
    for i, source in found[1:]:
        if i != found[0][0]:
            detail = f"cloud-init reads one volume, and volumes[{found[0][0]}] is one already"
            yield FieldError.forbidden(f"{path}.volumes[{i}].{source}", detail)


def cloud_init_problems(source: Object, path: str) -> Iterator[FieldError]:
    """Yield everything wrong with the data of a cloud-init volume at ``path``."""
    for choices in _FIELDS.values():
        given = [choice for choice in choices if source.get(choice)]
        if len(given) > 1:
            yield FieldError.forbidden(f"{path}.{given[1]}", f"{' and '.join(given)} exclude each other; remove one")
    if not any(choice in source and source[choice] != "" for choices in _FIELDS.values() for choice in choices):
        yield FieldError.required(f"{path}.userData", "give userData, userDataBase64, secretRef or network data")
    for name, (inline, encoded, reference) in _FIELDS.items():
        if inline in source:
            yield from _inline(name, source[inline].encode(), f"{path}.{inline}")
        if encoded in source:
            yield from _encoded(name, source[encoded], f"{path}.{encoded}")
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


RULES = (one_cloud_init,)
