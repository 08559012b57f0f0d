"""The paths of a resource in OpenAPI v3: what can be asked of it, with which parameters, and how that may end.

Source: what kube-apiserver publishes, by ``k8s.io/apiserver/pkg/endpoints/installer.go`` (parameters, media types) and
``endpoints/openapi/openapi.go`` (names of operations and tags, from which code generators make classes and methods).
Beyond that, every status code is named, and a delete is told to answer with either of what it answers with.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apiserver.http.negotiation import JSON, YAML
from apiserver.machinery.patch import JSON_PATCH, accepted
from apiserver.machinery.resource import Resource
from apiserver.machinery.structural import REF_PREFIX

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
SHARED = tuple(META + name for name in ("DeleteOptions", "ListMeta", "Patch", "Status", "WatchEvent"))
"""The published schemas that the operations of all resources refer to."""

WATCHED = f"{JSON};stream=watch"
"""What a list answers that shall watch: lines of events, where others answer one document."""

_METHODS = {
    "list": "get",
    "get": "get",
    "create": "post",
    "update": "put",
    "patch": "patch",
    "delete": "delete",
    "deletecollection": "delete",
}
_NAMES = {"get": "read", "update": "replace", "deletecollection": "delete"}
"""How an operation is called where that is not by its verb."""
_ACTIONS = {"create": "post", "update": "put"}
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
_WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")
_DELETE_PARAMETERS = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
_NO_COLLECTION_TO_WATCH = ("allowWatchBookmarks", "watch")
_PARAMETERS = {
    "get": ("resourceVersion",),
    "list": _LIST_PARAMETERS,
    "create": _WRITE_PARAMETERS,
    "update": _WRITE_PARAMETERS,
    "patch": (*_WRITE_PARAMETERS, "force"),
    "delete": _DELETE_PARAMETERS,
    "deletecollection": tuple(name for name in _LIST_PARAMETERS if name not in _NO_COLLECTION_TO_WATCH)
    + _DELETE_PARAMETERS,
}
_BOOLEANS = ("allowWatchBookmarks", "force", "orphanDependents", "preserveSession", "sendInitialEvents", "watch")
_INTEGERS = ("gracePeriodSeconds", "limit", "timeoutSeconds")

FAILURES: Mapping[str, str] = {
    "400": "Bad Request",
    "401": "Unauthorized",
    "403": "Forbidden",
    "404": "Not Found",
    "406": "Not Acceptable",
    "409": "Conflict",
    "410": "Gone",
    "413": "Request Entity Too Large",
    "415": "Unsupported Media Type",
    "422": "Unprocessable Entity",
    "429": "Too Many Requests",
    "500": "Internal Server Error",
    "503": "Service Unavailable",
    "504": "Gateway Timeout",
}
"""How a request can fail, always with a Status."""
WRITE_FAILURES = ("404", "409", "413", "415", "422")
"""How any write can fail, beyond how every request can."""
_FAILURES_OF = {
    "get": ("404", "410"),
    "list": ("410", "422"),
    "deletecollection": ("409", "410", "413", "415", "422"),
}
_FAILURES_OF_ALL = ("400", "401", "403", "406", "429", "500", "503", "504")
_SUCCESSES = {
    "create": {"201": "Created"},
    "update": {"200": "OK", "201": "Created"},
    "patch": {"200": "OK", "201": "Created"},
    "delete": {"200": "OK", "202": "Accepted"},
}

_Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Operation:
    """One verb at one path of a resource."""

    resource: Resource
    version: str
    verb: str
    subresource: str = ""
    everywhere: bool = False
    """True for a list of all namespaces."""

    @property
    def schema(self) -> str:
        """The published name of the schema of what is read and written."""
        kind, version = self.resource.served_at(self.subresource, self.version)
        return kind.version(version).schema.name

    def identifier(self) -> str:
        """Return the operationId, such as ``readCoreV1NamespacedConfigMap``."""
        group = group_words(self.resource.group)
        scope = "Namespaced" if self.resource.namespaced and not self.everywhere else ""
        called = _NAMES.get(self.verb, self.verb)
        collection = "Collection" if self.verb == "deletecollection" else ""
        end = "ForAllNamespaces" if self.everywhere else self.subresource.title()
        version = self.version.title()
        return f"{called}{group[0].upper()}{group[1:]}{version}{collection}{scope}{self.resource.kind}{end}"

    def document(self) -> _Json:
        """Return the operation as the document has it."""
        kind, version = self.resource.served_at(self.subresource, self.version)
        operation: _Json = {
            "operationId": self.identifier(),
            "tags": [f"{group_words(self.resource.group)}_{self.version}"],
            "parameters": [in_query(name) for name in _PARAMETERS[self.verb]],
            "responses": self._responses(),
            "x-kubernetes-action": _ACTIONS.get(self.verb, self.verb),
            "x-kubernetes-group-version-kind": {
                "group": kind.group,
                "version": version,
                "kind": kind.kind,
            },
        }
        if body := self._body():
            # Only a deletion may leave all to the server.
            operation["requestBody"] = {"required": not self.verb.startswith("delete"), "content": body}
        return operation

    def _body(self) -> _Json:
        match self.verb:
            case "create" | "update":
                return content(ref(self.schema))
            case "delete" | "deletecollection":
                return content(ref(META + "DeleteOptions"))
            case "patch":
                patch = ref(META + "Patch")
                each = dict.fromkeys(accepted(custom=self.resource.custom), patch)
                each[JSON_PATCH] = {"type": "array", "items": patch}
                return {media: {"schema": schema} for media, schema in each.items()}
            case _:
                return {}

    def _responses(self) -> _Json:
        answer = ref(self.schema)
        if self.verb in ("list", "deletecollection"):
            answer = ref(self.schema + "List")
        elif self.verb == "delete":
            answer = {"anyOf": [ref(META + "Status"), answer]}
        successes = _SUCCESSES.get(self.verb, {"200": "OK"})
        told = content(answer) | ({WATCHED: {"schema": ref(META + "WatchEvent")}} if self.verb == "list" else {})
        return {
            **{code: {"description": text, "content": told} for code, text in successes.items()},
            **failures_by_code(_FAILURES_OF.get(self.verb, WRITE_FAILURES)),
        }


def paths(root: str, resource: Resource, version: str) -> _Json:
    """Return the path items of ``resource`` in a group-version, whose own path is ``root``."""
    everywhere = f"/{root}/{resource.plural}"
    collection = f"/{root}/namespaces/{{namespace}}/{resource.plural}" if resource.namespaced else everywhere
    item = f"{collection}/{{name}}"

    def operations(*verbs: str, of: str = "", everywhere: bool = False) -> _Json:
        return {_METHODS[verb]: _Operation(resource, version, verb, of, everywhere).document() for verb in verbs}

    found = {
        collection: operations(*(verb for verb in _COLLECTION_VERBS if verb in resource.verbs))
        | _path_parameters(resource, named=False),
    }
    if resource.transient:
        return found
    found[item] = operations("get", "update", "patch", "delete") | _path_parameters(resource, named=True)
    if resource.namespaced:
        found[everywhere] = operations("list", everywhere=True) | {"parameters": [in_query("pretty")]}
    for name, verbs in resource.subresources.items():
        found[f"{item}/{name}"] = operations(*verbs, of=name) | _path_parameters(resource, named=True)
    return found


def list_schema(resource: Resource, version: str) -> _Json:
    """Return the schema of a list of a resource, which is published under the name of the kind and ``List``."""
    kind = {"group": resource.group, "version": version, "kind": resource.list_kind}
    return {
        "type": "object",
        "description": f"Several of {resource.kind}.",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Group and version of the list."},
            "kind": {"type": "string", "description": f"Always {resource.list_kind}."},
            "metadata": ref(META + "ListMeta"),
            "items": {
                "type": "array",
                "description": "The objects.",
                "items": ref(resource.version(version).schema.name),
            },
        },
        "x-kubernetes-group-version-kind": [kind],
    }


def failures_by_code(more: Iterable[str]) -> _Json:
    """Return the responses of failures that any operation may have, and of ``more``."""
    return {code: {"$ref": f"#/components/responses/{code}"} for code in sorted({*_FAILURES_OF_ALL, *more})}


def failures() -> _Json:
    """Return the responses that operations refer to, by status code."""
    status = content(ref(META + "Status"))
    return {code: {"description": text, "content": status} for code, text in FAILURES.items()}


def group_words(group: str) -> str:
    """Return a group as names of operations have it: ``core``, ``rbacAuthorization``, ``kubevirtIo``."""
    first, *others = (group.removesuffix(".k8s.io") or "core").split(".")
    return first + "".join(word.title() for word in others)


def _path_parameters(resource: Resource, *, named: bool) -> _Json:
    names = [*(["namespace"] if resource.namespaced else []), *(["name"] if named else [])]
    return {"parameters": [*in_path(*names), in_query("pretty")]}


def in_path(*names: str) -> list[_Json]:
    """Return parameters that a path has."""
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def in_query(name: str) -> _Json:
    """Return a parameter that a query may have."""
    of_type = "boolean" if name in _BOOLEANS else "integer" if name in _INTEGERS else "string"
    return {"name": name, "in": "query", "schema": {"type": of_type}}


def content(schema: _Json) -> _Json:
    """Return a body of that schema, in every media type."""
    return {media: {"schema": schema} for media in (JSON, YAML)}


def ref(name: str) -> _Json:
    """Return a reference to a published schema."""
    return {"$ref": REF_PREFIX + name}
