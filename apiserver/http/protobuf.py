"""Request bodies in Kubernetes' protobuf encoding, as ``kubectl create namespace`` and typed Go clients send them.

Only requests: answers are always JSON, which such clients accept. A body is the four bytes ``k8s`` and zero, and a
``runtime.Unknown`` that names its kind and holds the object. Each table below says which field number of a message is
which JSON field; field numbers and optionality are those of ``generated.proto`` in k8s.io/api and k8s.io/apimachinery.
Field numbers that a table lacks are skipped, as Kubernetes does.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from apiserver.machinery import errors

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\0"
_VARINT = 0
_LENGTH_DELIMITED = 2
_FIXED_BYTES = {1: 8, 5: 4}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_Value = int | bytes
_Read = Callable[[list[_Value]], Any]
"""Turns all values of one field, in order, into JSON; None where the field says nothing (Go's ``omitempty``)."""
_Fields = Mapping[int, tuple[str, _Read]]


def decode(body: bytes) -> dict[str, Any]:
    """Return the object in ``body`` as JSON has it. Raises 400 for a broken body and 415 for a kind not known here."""
    if not body.startswith(_MAGIC):
        raise errors.bad_request("the object provided is not Kubernetes' protobuf: it must start with k8s and a zero")
    try:
        unknown = _decoded(_UNKNOWN, body[len(_MAGIC) :])
        named = unknown.get("typeMeta", {})
        fields = _KINDS.get(named.get("kind", ""))
        if fields is None:
            raise errors.unsupported_media_type(["application/json"])
        return {**named, **_decoded(fields, unknown.get("raw", b""))}
    except (ValueError, OverflowError) as broken:
        raise errors.bad_request(f"the object provided is not valid protobuf: {broken}") from broken


def _decoded(fields: _Fields, message: bytes) -> dict[str, Any]:
    found: dict[int, list[_Value]] = {}
    for number, value in _wire(message):
        found.setdefault(number, []).append(value)
    decoded = {fields[number][0]: fields[number][1](values) for number, values in found.items() if number in fields}
    return {name: value for name, value in decoded.items() if value is not None}


def _wire(message: bytes) -> Iterator[tuple[int, _Value]]:
    """Yield the number and the value of every field."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        if (wire_type := tag & 7) == _VARINT:
            value, at = _varint(message, at)
        else:
            if wire_type == _LENGTH_DELIMITED:
                size, at = _varint(message, at)
            elif wire_type in _FIXED_BYTES:
                size = _FIXED_BYTES[wire_type]
            else:
                raise ValueError(f"wire type {wire_type} is not supported")
            value, at = message[at : at + size], at + size
        if at > len(message):
            raise ValueError("it ends in the middle of a field")
        yield tag >> 3, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(message[at : at + 10]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value & (1 << 64) - 1, at + index + 1
    raise ValueError("a number has no end")


def _raw(values: list[_Value]) -> bytes:
    pieces = [value for value in values if isinstance(value, bytes)]
    if len(pieces) < len(values):
        raise ValueError("a number stands where text or a message belongs")
    return b"".join(pieces)  # a message sent in pieces is the message of all their fields


def _count(values: list[_Value]) -> int:
    if not isinstance(last := values[-1], int):
        raise ValueError("text or a message stands where a number belongs")  # noqa: TRY004 - it is the data's fault
    return last - (1 << 64) if last >> 63 else last


def _number(values: list[_Value]) -> int | None:
    return _count(values) or None


def _flag(values: list[_Value]) -> bool:
    return _count(values) != 0


def _string(values: list[_Value]) -> str:
    return _raw(values[-1:]).decode()


def _text(values: list[_Value]) -> str | None:
    return _string(values) or None


def _base64(values: list[_Value]) -> str:
    return base64.b64encode(_raw(values[-1:])).decode()


def _time(values: list[_Value]) -> str | None:
    moment = _decoded({1: ("seconds", _count)}, _raw(values))
    return f"{_EPOCH + timedelta(seconds=moment['seconds']):%Y-%m-%dT%H:%M:%SZ}" if moment else None


def _each(read: _Read) -> _Read:
    return lambda values: [read([value]) for value in values]


def _message(fields: _Fields) -> _Read:
    return lambda values: _decoded(fields, _raw(values))


def _map(read: _Read) -> _Read:
    def entries(values: list[_Value]) -> dict[str, Any]:
        pairs = [_decoded({1: ("key", _string), 2: ("value", read)}, _raw([value])) for value in values]
        return {pair.get("key", ""): pair.get("value", "") for pair in pairs}

    return entries


_UNKNOWN: _Fields = {1: ("typeMeta", _message({1: ("apiVersion", _text), 2: ("kind", _text)})), 2: ("raw", _raw)}
_OWNER_REFERENCE: _Fields = {
    1: ("kind", _text),
    3: ("name", _text),
    4: ("uid", _text),
    5: ("apiVersion", _text),
    6: ("controller", _flag),
    7: ("blockOwnerDeletion", _flag),
}
_METADATA: _Read = _message(
    {
        1: ("name", _text),
        2: ("generateName", _text),
        3: ("namespace", _text),
        5: ("uid", _text),
        6: ("resourceVersion", _text),
        7: ("generation", _number),
        8: ("creationTimestamp", _time),
        9: ("deletionTimestamp", _time),
        10: ("deletionGracePeriodSeconds", _count),
        11: ("labels", _map(_string)),
        12: ("annotations", _map(_string)),
        13: ("ownerReferences", _each(_message(_OWNER_REFERENCE))),
        14: ("finalizers", _each(_string)),
    }
)
_CONDITION: _Fields = {
    1: ("type", _text),
    2: ("status", _text),
    4: ("lastTransitionTime", _time),
    5: ("reason", _text),
    6: ("message", _text),
}
_KINDS: Mapping[str, _Fields] = {
    "Namespace": {
        1: ("metadata", _METADATA),
        2: ("spec", _message({1: ("finalizers", _each(_string))})),
        3: ("status", _message({1: ("phase", _text), 2: ("conditions", _each(_message(_CONDITION)))})),
    },
    "Secret": {
        1: ("metadata", _METADATA),
        2: ("data", _map(_base64)),
        3: ("type", _text),
        4: ("stringData", _map(_string)),
        5: ("immutable", _flag),
    },
    "ConfigMap": {
        1: ("metadata", _METADATA),
        2: ("data", _map(_string)),
        3: ("binaryData", _map(_base64)),
        4: ("immutable", _flag),
    },
    "DeleteOptions": {
        1: ("gracePeriodSeconds", _count),
        2: ("preconditions", _message({1: ("uid", _text), 2: ("resourceVersion", _text)})),
        3: ("orphanDependents", _flag),
        4: ("propagationPolicy", _text),
        5: ("dryRun", _each(_string)),
    },
}
