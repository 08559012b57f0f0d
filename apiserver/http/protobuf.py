"""Request bodies in Kubernetes' protobuf encoding, as ``kubectl create namespace`` and typed Go clients send them.

Only requests: answers are always JSON, which such clients accept. A body is the four bytes ``k8s`` and zero, and a
``runtime.Unknown`` that names its kind and holds the object.
"""

from typing import Any

from apiserver.http.protobuf_kinds import KINDS
from apiserver.http.protobuf_wire import Fields, UnreadableError, nested, raw, read_fields, text
from apiserver.machinery import errors

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\0"
_UNKNOWN: Fields = {1: ("typeMeta", nested({1: ("apiVersion", text), 2: ("kind", text)})), 2: ("raw", raw)}


def decode(body: bytes) -> dict[str, Any]:
    """Return the object in ``body`` as JSON has it. Raises 400 for a broken body and 415 for what is not known here."""
    if not body.startswith(_MAGIC):
        raise errors.bad_request("the object provided is not Kubernetes' protobuf: it must start with k8s and a zero")
    try:
        unknown = read_fields(_UNKNOWN, body[len(_MAGIC) :])
        named = unknown.get("typeMeta", {})
        kind, group = named.get("kind", ""), named.get("apiVersion", "").rpartition("/")[0]
        fields = KINDS.get(f"{kind}.{group}") or KINDS.get(kind)
        if fields is None:
            raise errors.unsupported_media_type(["application/json"])
        return {**named, **read_fields(fields, unknown.get("raw", b""))}
    except UnreadableError as unreadable:
        raise errors.unsupported_media_type(["application/json"]) from unreadable
    except (ValueError, OverflowError) as broken:
        raise errors.bad_request(f"the object provided is not valid protobuf: {broken}") from broken
