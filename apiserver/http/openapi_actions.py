"""The paths of actions in OpenAPI v3. Source: what KubeVirt publishes, by ``pkg/virt-api/api.go``."""

from typing import Any

from apiserver.http.openapi_paths import WRITE_FAILURES, content, failures_by_code, group_words, in_path, in_query, ref
from apiserver.machinery.action import Action, ObjectAction, StreamAction
from apiserver.machinery.resource import Resource

_METHODS = {"get": "get", "create": "post", "update": "put"}
_CALLED = {"get": "read", "create": "create", "update": "replace"}
_Json = dict[str, Any]


def paths(root: str, action: Action, version: str) -> _Json:
    """Return the path item of ``action`` in a group-version, whose own path is ``root``."""
    named = f"{{name}}/{action.subresource}" if action.subresource else ""
    path = f"/{root}/namespaces/{{namespace}}/{action.resource}/{named}".rstrip("/")
    parameters = in_path("namespace", "name") if named else in_path("namespace")
    match action:
        case ObjectAction():
            operation, in_queries = _operation(action, version), ("pretty",)
        case StreamAction():
            operation, in_queries = _stream(action, version), action.parameters
        case _:
            raise TypeError(action)
    return {path: {_METHODS[action.verb]: operation, "parameters": [*parameters, *map(in_query, in_queries)]}}


def schemas(action: Action) -> set[str]:
    """Return the published names of the schemas that an action's path item refers to."""
    kinds = (action.takes, action.returns) if isinstance(action, ObjectAction) else ()
    return {name for kind in kinds if kind for name in _names(kind)}


def _named(action: Action, version: str, called: str) -> _Json:
    """Return what tells an operation from others."""
    group = group_words(action.group)
    words = "".join(word.title() for word in (action.subresource or action.resource).split("-"))
    about = action.target.kind if action.target else ""
    return {
        "operationId": f"{called}{group[0].upper()}{group[1:]}{version.title()}Namespaced{about}{words}",
        "tags": [f"{group}_{version}"],
    }


def _stream(action: StreamAction, version: str) -> _Json:
    return {
        **_named(action, version, "connect"),
        "responses": {"101": {"description": "Switching Protocols"}, **failures_by_code(("404", "409"))},
        "x-kubernetes-action": "connect",
    }


def _operation(action: ObjectAction, version: str) -> _Json:
    kind = action.returns
    operation: _Json = {
        **_named(action, version, _CALLED[action.verb]),
        "responses": {
            **_success(action, content(_schema(kind))),
            **failures_by_code(WRITE_FAILURES),
        },
        "x-kubernetes-action": _METHODS[action.verb],
        "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.hub.name, "kind": kind.kind},
    }
    if action.takes:
        operation["requestBody"] = {"required": True, "content": content(_schema(action.takes))}
    return operation


def _success(action: ObjectAction, shown: _Json) -> _Json:
    if action.verb == "create":
        return {"201": {"description": "Created", "content": shown}}
    return {"200": {"description": "OK", "content": shown}}


def _schema(kind: Resource) -> _Json:
    first, *others = map(ref, _names(kind))
    return {"anyOf": [first, *others]} if others else first


def _names(kind: Resource) -> list[str]:
    """Return the schemas of all versions of a kind: they come and go in any."""
    return list(dict.fromkeys(version.schema.name for version in kind.versions))
