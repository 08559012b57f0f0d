"""The paths of a resource in OpenAPI v3: what can be asked of it, with which parameters."""

from typing import Any

from apiserver.http.negotiation import JSON
from apiserver.machinery.patch import accepted
from apiserver.machinery.resource import Resource

_METHODS = {
    "list": "get",
    "get": "get",
    "create": "post",
    "update": "put",
    "patch": "patch",
    "delete": "delete",
    "deletecollection": "delete",
}
_COLLECTION_VERBS = ("deletecollection", "list", "create")
_LIST_PARAMETERS = (
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
)
_WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation", "pretty")
_DELETE_PARAMETERS = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy", "pretty")
_PARAMETERS = {
    "list": _LIST_PARAMETERS,
    "create": _WRITE_PARAMETERS,
    "update": _WRITE_PARAMETERS,
    "patch": _WRITE_PARAMETERS,
    "delete": _DELETE_PARAMETERS,
    "deletecollection": _LIST_PARAMETERS + _DELETE_PARAMETERS,
}
_BOOLEANS = ("allowWatchBookmarks", "orphanDependents", "sendInitialEvents", "watch")
_INTEGERS = ("gracePeriodSeconds", "limit", "timeoutSeconds")


def paths(root: str, resource: Resource, version: str) -> dict[str, Any]:
    """Return the path items of ``resource`` in a group-version, whose own path is ``root``."""
    collection = (
        f"/{root}/namespaces/{{namespace}}/{resource.plural}" if resource.namespaced else f"/{root}/{resource.plural}"
    )
    item = f"{collection}/{{name}}"

    def operations(*verbs: str, of: str = "") -> dict[str, Any]:
        return {_METHODS[verb]: _operation(resource, version, verb, of) for verb in verbs}

    found = {
        collection: operations(*(verb for verb in _COLLECTION_VERBS if verb in resource.verbs))
        | _in_path(resource, named=False),
        item: operations("get", "update", "patch", "delete") | _in_path(resource, named=True),
    }
    for name, verbs in resource.subresources.items():
        found[f"{item}/{name}"] = operations(*verbs, of=name.title()) | _in_path(resource, named=True)
    return found


def _in_path(resource: Resource, *, named: bool) -> dict[str, Any]:
    names = [*(["namespace"] if resource.namespaced else []), *(["name"] if named else [])]
    return {
        "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    }


def _in_query(name: str) -> dict[str, Any]:
    of_type = "boolean" if name in _BOOLEANS else "integer" if name in _INTEGERS else "string"
    return {"name": name, "in": "query", "schema": {"type": of_type}}


def _operation(resource: Resource, version: str, verb: str, of: str) -> dict[str, Any]:
    content = {JSON: {"schema": {"$ref": f"#/components/schemas/{resource.version(version).schema.name}"}}}
    operation: dict[str, Any] = {
        "operationId": f"{verb}{resource.group.title().replace('.', '')}{version.title()}{resource.kind}{of}",
        "parameters": [_in_query(name) for name in _PARAMETERS.get(verb, ())],
        "responses": {"200": {"description": "OK", "content": content}},
        "x-kubernetes-action": {"create": "post", "update": "put"}.get(verb, verb),
        "x-kubernetes-group-version-kind": {
            "group": resource.group,
            "version": version,
            "kind": resource.kind,
        },
    }
    if verb in ("create", "update"):
        operation["requestBody"] = {"required": True, "content": content}
    if verb == "patch":
        patches = {each: {"schema": {}} for each in accepted(custom=resource.custom)}
        operation["requestBody"] = {"required": True, "content": patches}
    return operation
