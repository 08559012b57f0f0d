"""OpenAPI v2 and v3, generated from the schemas and the table of resources, built once each.

Source: KEP-2896 (OpenAPI v3); ``k8s.io/kube-openapi/pkg/handler3`` for hashes, caching and redirects.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from aiohttp import web

from apiserver.http.answers import json
from apiserver.http.negotiation import accepted
from apiserver.machinery import errors
from apiserver.machinery.resource import Resource
from apiserver.machinery.schema import Catalogue

_V3_REFERENCES, _V2_REFERENCES = b"#/components/schemas/", b"#/definitions/"
_METHODS = {
    "list": "get",
    "get": "get",
    "create": "post",
    "update": "put",
    "patch": "patch",
    "delete": "delete",
    "deletecollection": "delete",
}
_PATCH_TYPES = ("application/json-patch+json", "application/merge-patch+json")
_WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation", "pretty")
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


class OpenApi:
    """The published documents."""

    def __init__(self, resources: Iterable[Resource], catalogue: Catalogue, product_version: str) -> None:
        self._catalogue = catalogue
        self._info = {"title": "Virtplane", "version": product_version}
        self._served: dict[str, list[tuple[Resource, str]]] = {}
        """The resources of each group-version, by its path."""
        for resource in resources:
            for version in resource.versions:
                root = f"apis/{resource.group}/{version.name}" if resource.group else f"api/{version.name}"
                self._served.setdefault(root, []).append((resource, version.name))
        self._documents: dict[str, tuple[bytes, str]] = {}

    def v3_root(self) -> web.Response:
        """Answer ``/openapi/v3``: where each group-version's document is, with the hash of its content."""
        paths = {root: {"serverRelativeURL": f"/openapi/v3/{root}?hash={self._v3(root)[1]}"} for root in self._served}
        return json({"paths": paths})

    def v3(self, request: web.Request, root: str) -> web.Response:
        """Answer ``/openapi/v3/apis/GROUP/VERSION``. Raises 404."""
        if root not in self._served:
            raise errors.no_such_path()
        body, digest = self._v3(root)
        asked = request.query.get("hash")
        if asked is not None and asked != digest:
            return web.Response(status=301, headers={"Location": f"/openapi/v3/{root}?hash={digest}"})
        headers = {"Vary": "Accept"}
        if asked is not None:
            headers |= {"Cache-Control": "public, immutable", "Expires": "Thu, 31 Dec 2099 23:59:59 GMT"}
        return _answer(request, body, digest, headers)

    def v2(self, request: web.Request) -> web.Response:
        """Answer ``/openapi/v2`` as JSON. Raises 406 for clients that take only protobuf."""
        media_types = accepted(request.headers.get("Accept", ""))
        if not any(media.name in ("application/json", "application/*", "*/*") for media in media_types):
            raise errors.not_acceptable(["application/json"])
        body, digest = self._built("v2", self._build_v2)
        return _answer(request, body, digest, {"Vary": "Accept"})

    def _v3(self, root: str) -> tuple[bytes, str]:
        return self._built(root, lambda: self._build_v3(root))

    def _built(self, name: str, build: Callable[[], bytes]) -> tuple[bytes, str]:
        if name not in self._documents:
            body = build()
            self._documents[name] = (body, hashlib.sha512(body).hexdigest().upper())
        return self._documents[name]

    def _build_v3(self, root: str) -> bytes:
        paths: dict[str, Any] = {}
        for resource, version in self._served[root]:
            paths |= _paths(root, resource, version)
        components = {"schemas": self._definitions(root)}
        return orjson.dumps({"openapi": "3.0.0", "info": self._info, "paths": paths, "components": components})

    def _definitions(self, root: str) -> dict[str, Any]:
        resource, version = self._served[root][0]
        return self._catalogue.definitions(resource.group, version)

    def _build_v2(self) -> bytes:
        definitions: dict[str, Any] = {}
        for root in self._served:
            definitions |= self._definitions(root)
        content = {"swagger": "2.0", "info": self._info, "paths": {}, "definitions": definitions}
        return orjson.dumps(content).replace(_V3_REFERENCES, _V2_REFERENCES)


def _answer(request: web.Request, body: bytes, digest: str, headers: dict[str, str]) -> web.Response:
    headers["ETag"] = f'"{digest}"'
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type="application/json", headers=headers)


def _paths(root: str, resource: Resource, version: str) -> dict[str, Any]:
    collection = (
        f"/{root}/namespaces/{{namespace}}/{resource.plural}" if resource.namespaced else f"/{root}/{resource.plural}"
    )
    item = f"{collection}/{{name}}"
    reference = {"$ref": f"#/components/schemas/{resource.version(version).schema.name}"}

    def operations(*verbs: str) -> dict[str, Any]:
        return {_METHODS[verb]: _operation(resource, version, verb, reference) for verb in verbs}

    paths = {
        collection: operations("deletecollection", "list", "create") | _parameters(resource, named=False),
        item: operations("get", "update", "patch", "delete") | _parameters(resource, named=True),
    }
    if resource.has_status:
        paths[f"{item}/status"] = operations("get", "update", "patch") | _parameters(resource, named=True)
    return paths


def _parameters(resource: Resource, *, named: bool) -> dict[str, Any]:
    names = [*(["namespace"] if resource.namespaced else []), *(["name"] if named else [])]
    return {
        "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    }


def _operation(resource: Resource, version: str, verb: str, reference: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": reference}}
    names = _LIST_PARAMETERS if verb in ("list", "deletecollection") else _WRITE_PARAMETERS if verb != "get" else ()
    operation: dict[str, Any] = {
        "operationId": f"{verb}{resource.group.title().replace('.', '')}{version.title()}{resource.kind}",
        "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names],
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
        operation["requestBody"] = {
            "required": True,
            "content": {each: {"schema": {}} for each in _PATCH_TYPES},
        }
    return operation
