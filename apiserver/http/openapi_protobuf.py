"""OpenAPI v2 in protobuf, the only form in which Go clients ask for it: ``openapi.v2.Document`` of google/gnostic.

Each table below says which key of the JSON form is which field of a message. Field numbers are those of
``openapiv2/OpenAPIv2.proto`` in google/gnostic-models; gnostic puts a map into a message of its own with a repeated
pair, and wraps what may have several forms into a message with a field for each.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

_VARINT, _FIXED_64, _LENGTH_DELIMITED = 0, 1, 2

_Write = Callable[[int, Any], bytes]
"""Encodes a JSON value as the field of the given number."""
_Fields = Mapping[str, tuple[int, _Write]]

_EXTENSIONS = "x-"
"""The entry of a table for all keys that begin with it."""


def encode(document: Mapping[str, Any]) -> bytes:
    """Return an OpenAPI v2 ``document`` in protobuf. Raises ValueError for a key that OpenAPI v2 does not have."""
    return _content(_DOCUMENT, document)


def _content(fields: _Fields, message: Mapping[str, Any]) -> bytes:
    encoded: list[bytes] = []
    for key, value in message.items():
        if key in fields:
            number, write = fields[key]
            encoded.append(write(number, value))
        elif key.startswith(_EXTENSIONS) and _EXTENSIONS in fields:
            number, write = fields[_EXTENSIONS]
            encoded.append(write(number, {key: value}))
        else:
            raise ValueError(f"OpenAPI v2 has no {key!r} beside {', '.join(sorted(fields))}")
    return b"".join(encoded)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _delimited(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(content)) + content


def _text(number: int, value: str) -> bytes:
    return _delimited(number, value.encode())


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(value & (1 << 64) - 1)


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | _FIXED_64) + struct.pack("<d", value)


def _any(number: int, value: Any) -> bytes:
    """Encode any value as YAML, which JSON is."""
    return _delimited(number, _delimited(2, orjson.dumps(value)))


def _each(write: _Write) -> _Write:
    return lambda number, values: b"".join([write(number, value) for value in values])


def _message(fields: _Fields) -> _Write:
    return lambda number, value: _delimited(number, _content(fields, value))


def _within(inner: int, write: _Write) -> _Write:
    """Wrap a value into a message of which it is the only field."""
    return lambda number, value: _delimited(number, write(inner, value))


def _pairs(write: _Write) -> _Write:
    """Encode a map as messages of its keys and values."""

    def encoded(number: int, values: Mapping[str, Any]) -> bytes:
        return b"".join([_delimited(number, _text(1, key) + write(2, value)) for key, value in values.items()])

    return encoded


def _schema(number: int, value: Mapping[str, Any]) -> bytes:
    return _delimited(number, _content(_SCHEMA, value))


def _additional_properties(number: int, value: bool | Mapping[str, Any]) -> bytes:  # noqa: FBT001 - JSON has both
    return _delimited(number, _number(2, value) if isinstance(value, bool) else _schema(1, value))


def _type(number: int, value: str | Iterable[str]) -> bytes:
    return _delimited(number, _each(_text)(1, [value] if isinstance(value, str) else value))


def _parameter(number: int, value: Mapping[str, Any]) -> bytes:
    """Encode a parameter in the wrapper that fits where the parameter is sent."""
    if (place := value["in"]) == "body":
        chosen = _message(_BODY_PARAMETER)(1, value)
    else:
        wrapper, fields = _OTHER_PARAMETERS[place]
        chosen = _delimited(2, _message(fields)(wrapper, value))
    return _delimited(number, _delimited(1, chosen))


_VENDOR_EXTENSION = _pairs(_any)
_INFO: _Fields = {"title": (1, _text), "version": (2, _text), "description": (3, _text)}
_SCHEMA: _Fields = {
    "$ref": (1, _text),
    "format": (2, _text),
    "title": (3, _text),
    "description": (4, _text),
    "default": (5, _any),
    "multipleOf": (6, _double),
    "maximum": (7, _double),
    "exclusiveMaximum": (8, _number),
    "minimum": (9, _double),
    "exclusiveMinimum": (10, _number),
    "maxLength": (11, _number),
    "minLength": (12, _number),
    "pattern": (13, _text),
    "maxItems": (14, _number),
    "minItems": (15, _number),
    "uniqueItems": (16, _number),
    "maxProperties": (17, _number),
    "minProperties": (18, _number),
    "required": (19, _each(_text)),
    "enum": (20, _each(_any)),
    "additionalProperties": (21, _additional_properties),
    "type": (22, _type),
    "items": (23, _within(1, _schema)),
    "allOf": (24, _each(_schema)),
    "properties": (25, _within(1, _pairs(_schema))),
    "readOnly": (27, _number),
    "example": (30, _any),
    _EXTENSIONS: (31, _VENDOR_EXTENSION),
}
_BODY_PARAMETER: _Fields = {
    "description": (1, _text),
    "name": (2, _text),
    "in": (3, _text),
    "required": (4, _number),
    "schema": (5, _schema),
}
_QUERY_PARAMETER: _Fields = {
    "required": (1, _number),
    "in": (2, _text),
    "description": (3, _text),
    "name": (4, _text),
    "type": (6, _text),
    "format": (7, _text),
}
_PATH_PARAMETER: _Fields = {
    "required": (1, _number),
    "in": (2, _text),
    "description": (3, _text),
    "name": (4, _text),
    "type": (5, _text),
    "format": (6, _text),
}
_OTHER_PARAMETERS = {"query": (3, _QUERY_PARAMETER), "path": (4, _PATH_PARAMETER)}
_RESPONSE: _Fields = {
    "description": (1, _text),
    "schema": (2, _within(1, _schema)),
}
_OPERATION: _Fields = {
    "tags": (1, _each(_text)),
    "description": (3, _text),
    "operationId": (5, _text),
    "produces": (6, _each(_text)),
    "consumes": (7, _each(_text)),
    "parameters": (8, _each(_parameter)),
    "responses": (9, _within(1, _pairs(_within(1, _message(_RESPONSE))))),
    "deprecated": (11, _number),
    _EXTENSIONS: (13, _VENDOR_EXTENSION),
}
_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}
_PATH_ITEM: _Fields = {
    **{method: (number, _message(_OPERATION)) for method, number in _METHODS.items()},
    "parameters": (9, _each(_parameter)),
}
_DOCUMENT: _Fields = {
    "swagger": (1, _text),
    "info": (2, _message(_INFO)),
    "paths": (8, _within(2, _pairs(_message(_PATH_ITEM)))),
    "definitions": (9, _within(1, _pairs(_schema))),
}
