"""OpenAPI v3 told in OpenAPI v2, for clients that know no other: kubectl before 1.27 and many generators.

What v2 has no word for is left out, so that the older form allows more, never less. Source: the OpenAPI 2.0 and 3.0
specifications; how kube-apiserver publishes the same schema in both.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from apiserver.http.openapi_paths import META, WATCHED
from apiserver.machinery.structural import REF_PREFIX

_REF_PREFIX = "#/definitions/"
_SCHEMA_KEYS_OF_V3 = frozenset({"nullable", "oneOf", "anyOf", "not", "deprecated", "writeOnly"})
_Json = Mapping[str, Any]


def swagger(info: _Json, documents: Iterable[_Json]) -> dict[str, Any]:
    """Return one OpenAPI v2 document with the paths and schemas of all v3 ``documents``."""
    paths: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for document in documents:
        paths |= {path: _path_item(item) for path, item in document["paths"].items()}
        for name, schema in document["components"]["schemas"].items():
            if name not in definitions:
                definitions[name] = _schema(schema)
    return {"swagger": "2.0", "info": info, "paths": paths, "definitions": definitions}


def _path_item(item: _Json) -> dict[str, Any]:
    return {
        key: [_parameter(each) for each in value] if key == "parameters" else _operation(value)
        for key, value in item.items()
    }


def _operation(operation: _Json) -> dict[str, Any]:
    told = {key: value for key, value in operation.items() if key not in ("parameters", "requestBody", "responses")}
    parameters = [_parameter(each) for each in operation.get("parameters", ())]
    if body := operation.get("requestBody"):
        told["consumes"] = list(body["content"])
        parameters.append({"name": "body", "in": "body", "required": body["required"], "schema": _content(body)})
    if parameters:
        told["parameters"] = parameters
    successes = {code: answer for code, answer in operation["responses"].items() if "content" in answer}
    told["produces"] = list(dict.fromkeys(each for answer in successes.values() for each in answer["content"]))
    told["responses"] = {
        **{code: {"description": each["description"], "schema": _content(each)} for code, each in successes.items()},
        # All failures look alike, and v2 is downloaded whole by each kubectl that knows no v3.
        "default": {"description": "Failure", "schema": {"$ref": f"{_REF_PREFIX}{META}Status"}},
    }
    return told


def _content(body: _Json) -> dict[str, Any]:
    """Return the schema of a body: v2 has one for all media types, and a stream is none of its bodies."""
    first, *others = (content["schema"] for media, content in body["content"].items() if media != WATCHED)
    return _schema(first) if all(other == first for other in others) else {}


def _parameter(parameter: _Json) -> dict[str, Any]:
    return {**{key: value for key, value in parameter.items() if key != "schema"}, **_schema(parameter["schema"])}


def _schema(schema: _Json) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "$ref":
            told[key] = value.replace(REF_PREFIX, _REF_PREFIX)
        elif key == "properties":
            told[key] = {name: _schema(each) for name, each in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            told[key] = _schema(value)
        elif key == "allOf" and len(value) == 1:
            # In v3 a reference stands alone; in v2 Kubernetes gives it a description, and kubectl follows no allOf.
            told |= _schema(value[0])
        elif key == "allOf":
            told[key] = [_schema(each) for each in value]
        elif key not in _SCHEMA_KEYS_OF_V3:
            told[key] = value
    if schema.get("x-kubernetes-int-or-string"):
        told |= {"type": "string", "format": "int-or-string"}
    return told
