"""Validation of objects by their schema, told in Kubernetes' words.

Source of the wording: ``k8s.io/kube-openapi/pkg/validation/errors`` and ``…/apiserver/validation`` of apiextensions.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import jsonschema_rs
import orjson

from apiserver.machinery.errors import FieldError
from apiserver.machinery.structural import REF_PREFIX, RESOURCE_FIELDS, join, preserves, referenced

_DEFS_PREFIX = "#/$defs/"
_SUBSCHEMA_KEYS = ("items", "additionalProperties", "not")
_SUBSCHEMA_LISTS = ("allOf", "anyOf", "oneOf")
_PLAIN_KEYS = frozenset(
    {
        *("type", "enum", "format", "pattern", "required", "minLength", "maxLength", "minItems", "maxItems"),
        *("uniqueItems", "minProperties", "maxProperties", "minimum", "maximum", "exclusiveMinimum"),
        *("exclusiveMaximum", "multipleOf"),
    }
)
_RANGES: dict[str, dict[str, Any]] = {
    "int32": {"minimum": -(2**31), "maximum": 2**31 - 1},
    "int64": {"minimum": -(2**63), "maximum": 2**63 - 1},
}
_EMBEDDED = "x-kubernetes-embedded-resource"
_UNTIDY = re.compile(rb"[:,\[]null|\.0[,\]}]")
"""A null or a number like 2.0 in compact JSON."""
_ALL_ERRORS_BYTES = 32 * 1024
"""An error takes some 25 µs to find, and an object of this length can hold 16,000."""


class Validator:
    """Validates objects of one kind; compiled once, references and all.

    What is compiled knows unknown fields, too, so that of nearly every object one question tells that all is well. They
    are for pruning, not errors.
    """

    def __init__(self, root: str, definitions: Mapping[str, dict[str, Any]]) -> None:
        """Compile the definition called ``root``; ``definitions`` holds at least all it refers to."""
        defs = {name: _json_schema(schema) for name, schema in definitions.items()}
        whole = _json_schema({**definitions[root], _EMBEDDED: True})
        whole.pop("required", None)
        self._required: list[str] = definitions[root].get("required", [])
        self._compiled = jsonschema_rs.Draft202012Validator({**whole, "$defs": defs}, validate_formats=True)

    def is_plain(self, instance: dict[str, Any], kept: Collection[str] = ()) -> bool:
        """Return True when nothing is wrong with an object, nor unknown, nor null, nor a number like 2.0.

        A text that holds such a thing may be taken for it. For ``kept`` see :meth:`errors`.
        """
        try:
            written = orjson.dumps(instance)
        except orjson.JSONEncodeError:  # nested too deeply
            return False
        if (b"null" in written or b".0" in written) and _UNTIDY.search(written):
            return False
        present = all(name in instance or name in kept for name in self._required)
        return present and self._compiled.is_valid(instance)

    def errors(self, instance: Any, kept: Collection[str] = ()) -> Iterator[FieldError]:
        """Yield everything wrong with ``instance``; of a huge one the first, for the library finds all or one.

        The fields ``kept`` are there and right, and not in ``instance``.
        """
        for name in self._required:
            if name not in instance and name not in kept:
                yield FieldError.required(name)
        if self._compiled.is_valid(instance):
            return
        for error in self._compiled.iter_errors(instance) if _is_small(instance) else self._first(instance):
            if error.kind.name == "additionalProperties":
                continue
            path = ""
            for part in error.instance_path:
                path = join(path, f"[{part}]" if isinstance(part, int) else str(part))
            tell = _TOLD.get(error.kind.name, _told_otherwise)
            yield tell(path, error)

    def _first(self, instance: Any) -> list[jsonschema_rs.ValidationError]:
        try:
            self._compiled.validate(instance)
        except jsonschema_rs.ValidationError as error:
            return [error]
        return []


def _is_small(instance: Any) -> bool:
    try:
        return len(orjson.dumps(instance)) <= _ALL_ERRORS_BYTES
    except orjson.JSONEncodeError:  # nested too deeply
        return False


def json_type(value: Any) -> str:
    """Return the JSON type of ``value``, as Kubernetes names it."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Translate an OpenAPI v3 schema with Kubernetes' extensions into JSON Schema 2020-12."""
    if "$ref" in schema:
        return {"$ref": schema["$ref"].replace(REF_PREFIX, _DEFS_PREFIX, 1)}
    told = {key: each for key, each in schema.items() if key in _PLAIN_KEYS}
    told |= _subschemas(schema)
    if _is_closed(schema):
        told["additionalProperties"] = False
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        # OpenAPI 3.0 has flags where JSON Schema has numbers.
        if isinstance(flag := told.get(exclusive), bool):
            del told[exclusive]
            told |= {exclusive: told.pop(bound)} if flag else {}
    told = _RANGES.get(schema.get("format", ""), {}) | told
    if schema.get("x-kubernetes-int-or-string"):
        told["type"] = ["integer", "string"]
        told.pop("anyOf", None)  # only ever says the same again
    if schema.get(_EMBEDDED):
        told["required"] = sorted({*told.get("required", ()), "apiVersion", "kind"})
        told["properties"] = {**dict.fromkeys(RESOURCE_FIELDS, True), **told.get("properties", {})}
    return _nullable(schema, told) if schema.get("nullable") else told


def _subschemas(schema: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if "properties" in schema:
        told["properties"] = {key: _json_schema(each) for key, each in schema["properties"].items()}
    for key in _SUBSCHEMA_KEYS:
        if isinstance(schema.get(key), dict):
            told[key] = _json_schema(schema[key])
    for key in _SUBSCHEMA_LISTS:
        if key in schema:
            told[key] = [_json_schema(each) for each in schema[key]]
    return told


def _is_closed(schema: dict[str, Any]) -> bool:
    """Return True when fields that the schema does not tell are unknown."""
    is_object = schema.get("type") == "object" or "properties" in schema
    return is_object and not isinstance(schema.get("additionalProperties"), dict) and not preserves(schema)


def _nullable(schema: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    if referenced(schema)[0] is not None:
        return {"anyOf": [told, {"type": "null"}]}
    if isinstance(told.get("type"), str):
        told["type"] = [told["type"]]
    if "type" in told:
        told["type"] = [*told["type"], "null"]
    if "enum" in told:
        told["enum"] = [*told["enum"], None]
    return told


def _told_type(path: str, error: jsonschema_rs.ValidationError) -> FieldError:
    types = error.kind.as_dict().get("types", [])
    wanted = ",".join(each for each in types if each != "null")
    found = json_type(error.instance)
    return FieldError.type_invalid(path, found, f'{path} in body must be of type {wanted}: "{found}"')


def _told_required(path: str, error: jsonschema_rs.ValidationError) -> FieldError:
    return FieldError.required(join(path, error.kind.value))


def _told_enum(path: str, error: jsonschema_rs.ValidationError) -> FieldError:
    options = [str(each) for each in error.kind.value if each is not None]
    return FieldError.not_supported(path, error.instance, options)


def _told_format(path: str, error: jsonschema_rs.ValidationError) -> FieldError:
    value = error.instance
    return FieldError.invalid(path, value, f'{path} in body must be of type {error.kind.value}: "{value}"')


def _told_max_items(path: str, error: jsonschema_rs.ValidationError) -> FieldError:
    count = len(error.instance) if isinstance(error.instance, list) else 0
    limit = error.kind.value
    return FieldError("FieldValueTooMany", path, f"Too many: {count}: must have at most {limit} items")


def _told_max_length(path: str, error: jsonschema_rs.ValidationError) -> FieldError:
    return FieldError("FieldValueTooLong", path, f"Too long: may not be more than {error.kind.value} characters")


def _told_otherwise(path: str, error: jsonschema_rs.ValidationError) -> FieldError:
    return FieldError.invalid(path, error.instance, f"{path} in body {error.message}")


def _should(rule: str) -> Callable[[str, jsonschema_rs.ValidationError], FieldError]:
    def tell(path: str, error: jsonschema_rs.ValidationError) -> FieldError:
        return FieldError.invalid(path, error.instance, f"{path} in body should {rule.format(error.kind.value)}")

    return tell


_TOLD: dict[str, Callable[[str, jsonschema_rs.ValidationError], FieldError]] = {
    "type": _told_type,
    "required": _told_required,
    "enum": _told_enum,
    "format": _told_format,
    "maxItems": _told_max_items,
    "maxLength": _told_max_length,
    "pattern": _should("match '{}'"),
    "minimum": _should("be greater than or equal to {}"),
    "maximum": _should("be less than or equal to {}"),
    "exclusiveMinimum": _should("be greater than {}"),
    "exclusiveMaximum": _should("be less than {}"),
    "multipleOf": _should("be a multiple of {}"),
    "minLength": _should("be at least {} chars long"),
    "minItems": _should("have at least {} items"),
    "minProperties": _should("have at least {} properties"),
    "maxProperties": _should("have at most {} properties"),
    "uniqueItems": _should("not contain duplicates"),
}
