"""Protocol Buffers as Kubernetes uses them, read field by field.

Which field number of a message is which JSON field is for the reader's tables to say; numbers that a table lacks are
skipped, as Kubernetes does.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

_VARINT = 0
_LENGTH_DELIMITED = 2
_FIXED_BYTES = {1: 8, 5: 4}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_Value = int | bytes
Read = Callable[[list[_Value]], Any]
"""Turns all values of one field, in order, into JSON; None where the field says nothing (Go's ``omitempty``)."""
Fields = Mapping[int, tuple[str, Read]]
"""The JSON name and the type of each field number."""


class UnreadableError(Exception):
    """A field that the object would lose if it were skipped."""


def read_fields(fields: Fields, message: bytes) -> dict[str, Any]:
    """Return the fields of a message by name; those that ``fields`` lacks are skipped. Raises ValueError."""
    found: dict[int, list[_Value]] = {}
    for number, value in _wire(message):
        found.setdefault(number, []).append(value)
    known = {fields[number][0]: fields[number][1](values) for number, values in found.items() if number in fields}
    return {name: value for name, value in known.items() if value is not None}


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


def raw(values: list[_Value]) -> bytes:
    """Read bytes, or a message to be read further."""
    pieces = [value for value in values if isinstance(value, bytes)]
    if len(pieces) < len(values):
        raise ValueError("a number stands where text or a message belongs")
    return b"".join(pieces)  # a message sent in pieces is the message of all their fields


def count(values: list[_Value]) -> int:
    """Read a number, also one that is zero."""
    if not isinstance(last := values[-1], int):
        raise ValueError("text or a message stands where a number belongs")  # noqa: TRY004 - it is the data's fault
    return last - (1 << 64) if last >> 63 else last


def number(values: list[_Value]) -> int | None:
    """Read a number; zero says nothing."""
    return count(values) or None


def flag(values: list[_Value]) -> bool:
    """Read true or false."""
    return count(values) != 0


def true(values: list[_Value]) -> bool | None:
    """Read true; false says nothing."""
    return flag(values) or None


def string(values: list[_Value]) -> str:
    """Read a text, also an empty one."""
    return raw(values[-1:]).decode()


def text(values: list[_Value]) -> str | None:
    """Read a text; an empty one says nothing."""
    return string(values) or None


def encoded(values: list[_Value]) -> str:
    """Read bytes as base64."""
    return base64.b64encode(raw(values[-1:])).decode()


def moment(values: list[_Value]) -> str | None:
    """Read a ``Time``."""
    found = read_fields({1: ("seconds", count)}, raw(values))
    return f"{_EPOCH + timedelta(seconds=found['seconds']):%Y-%m-%dT%H:%M:%SZ}" if found else None


def micro_moment(values: list[_Value]) -> str | None:
    """Read a ``MicroTime``."""
    found = read_fields({1: ("seconds", count), 2: ("nanos", count)}, raw(values))
    if not found:
        return None
    at = _EPOCH + timedelta(seconds=found.get("seconds", 0))
    return f"{at:%Y-%m-%dT%H:%M:%S}.{found.get('nanos', 0) // 1000:06}Z"


def anything(values: list[_Value]) -> Any:
    """Read a ``RawExtension``, which holds JSON; an empty one says nothing."""
    content = read_fields({1: ("raw", raw)}, raw(values)).get("raw")
    return json.loads(content) if content else None


def each(read: Read) -> Read:
    """Read a list."""
    return lambda values: [read([value]) for value in values]


def nested(fields: Fields) -> Read:
    """Read a message."""
    return lambda values: read_fields(fields, raw(values))


def closed(fields: Fields) -> Read:
    """Read a message of which ``fields`` are only a part: others are not skipped but raise UnreadableError."""

    def read(values: list[_Value]) -> dict[str, Any]:
        message = raw(values)
        if more := {number for number, _ in _wire(message)} - fields.keys():
            raise UnreadableError(f"fields {sorted(more)}")
        return read_fields(fields, message)

    return read


def mapping(read: Read) -> Read:
    """Read a map from text to what ``read`` reads."""

    def entries(values: list[_Value]) -> dict[str, Any]:
        pairs = [read_fields({1: ("key", string), 2: ("value", read)}, raw([value])) for value in values]
        return {pair.get("key", ""): pair.get("value", "") for pair in pairs}

    return entries
