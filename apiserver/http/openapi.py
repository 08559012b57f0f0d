"""OpenAPI v2 and v3, generated from the schemas and the table of resources, built once each.

Source: KEP-2896 (OpenAPI v3); ``k8s.io/kube-openapi/pkg/handler3`` for hashes, caching and redirects.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from aiohttp import web

from apiserver.http import openapi_actions, openapi_paths, openapi_protobuf, openapi_v2
from apiserver.http.negotiation import JSON, accepted
from apiserver.machinery import errors
from apiserver.machinery.action import Action
from apiserver.machinery.resource import Resource
from apiserver.machinery.schema import Catalogue

PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_V2_FORMS = {
    JSON: JSON,
    "application/*": JSON,
    "*/*": JSON,
    PROTOBUF: PROTOBUF,
    # All that kubectl asks for, before 1.32 and since; the at sign is not allowed there, so no answer has it.
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf": PROTOBUF,
}
"""What is sent to clients that accept a media type."""


class OpenApi:
    """The published documents."""

    def __init__(
        self, resources: Iterable[Resource], actions: Iterable[Action], catalogue: Catalogue, product_version: str
    ) -> None:
        self._catalogue = catalogue
        self._info = {"title": "Virtplane", "version": product_version}
        self._served: dict[str, list[tuple[Resource, str]]] = {}
        """The resources of each group-version, by its path."""
        for resource in resources:
            for version in resource.versions:
                root = f"apis/{resource.group}/{version.name}" if resource.group else f"api/{version.name}"
                self._served.setdefault(root, []).append((resource, version.name))
        self._actions: dict[str, list[Action]] = {}
        """The actions of each group-version, by its path."""
        for action in actions:
            for version in action.versions:
                root = f"apis/{action.group}/{version}" if action.group else f"api/{version}"
                self._served.setdefault(root, [])
                self._actions.setdefault(root, []).append(action)
        self._documents: dict[str, tuple[bytes, str]] = {}

    def v3(self, request: web.BaseRequest, root: str) -> web.Response:
        """Answer ``/openapi/v3``, and below it ``apis/GROUP/VERSION`` for ``root``. Raises 404."""
        if not root:
            return _answer(request, *self._built(root, self._build_v3_root), {})
        if root not in self._served:
            raise errors.no_such_path()
        body, digest = self._v3(root)
        asked = request.query.get("hash")
        if asked is not None and asked != digest:
            return web.Response(status=301, headers={"Location": f"/openapi/v3/{root}?hash={digest}"})
        if not any(_V2_FORMS.get(media.name) == JSON for media in accepted(request.headers.get("Accept", ""))):
            raise errors.not_acceptable([JSON])
        headers = {"Vary": "Accept"}
        if asked is not None:
            headers |= {"Cache-Control": "public, immutable", "Expires": "Thu, 31 Dec 2099 23:59:59 GMT"}
        return _answer(request, body, digest, headers)

    def v2(self, request: web.BaseRequest) -> web.Response:
        """Answer ``/openapi/v2``, as JSON or as protobuf. Raises 406."""
        for media in accepted(request.headers.get("Accept", "")):
            if form := _V2_FORMS.get(media.name):
                body, digest = self._built(form, self._build_v2 if form == JSON else self._build_v2_protobuf)
                return _answer(request, body, digest, {"Vary": "Accept"}, form)
        raise errors.not_acceptable([JSON, PROTOBUF])

    def _v3(self, root: str) -> tuple[bytes, str]:
        return self._built(root, lambda: self._build_v3(root))

    def _built(self, name: str, build: Callable[[], bytes]) -> tuple[bytes, str]:
        if name not in self._documents:
            body = build()
            self._documents[name] = (body, hashlib.sha512(body).hexdigest().upper())
        return self._documents[name]

    def _build_v3_root(self) -> bytes:
        """Say where each group-version's document is, with the hash of its content."""
        paths = {root: {"serverRelativeURL": f"/openapi/v3/{root}?hash={self._v3(root)[1]}"} for root in self._served}
        return orjson.dumps({"paths": paths})

    def _build_v3(self, root: str) -> bytes:
        return orjson.dumps(self._v3_document(root))

    def _build_v2(self) -> bytes:
        return orjson.dumps(self._v2_document())

    def _build_v2_protobuf(self) -> bytes:
        return openapi_protobuf.encode(self._v2_document())

    def _v3_document(self, root: str) -> dict[str, Any]:
        paths: dict[str, Any] = {}
        lists: dict[str, Any] = {}
        for resource, version in self._served[root]:
            paths |= openapi_paths.paths(root, resource, version)
            if not resource.transient:
                lists[resource.version(version).schema.name + "List"] = openapi_paths.list_schema(resource, version)
        others = {each.scale.kind.hub.schema.name for each, _ in self._served[root] if each.scale}
        group, _, version = root.removeprefix("apis/").removeprefix("api/").rpartition("/")
        for action in self._actions.get(root, ()):
            paths |= openapi_actions.paths(root, action, version)
            others |= openapi_actions.schemas(action)
        schemas = self._catalogue.definitions(group, version, (*openapi_paths.SHARED, *others)) | lists
        components = {"schemas": dict(sorted(schemas.items())), "responses": openapi_paths.failures()}
        return {"openapi": "3.0.0", "info": self._info, "paths": paths, "components": components}

    def _v2_document(self) -> dict[str, Any]:
        return openapi_v2.swagger(self._info, (self._v3_document(root) for root in self._served))


def _answer(
    request: web.BaseRequest, body: bytes, digest: str, headers: dict[str, str], content_type: str = JSON
) -> web.Response:
    headers["ETag"] = f'"{digest}"'
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type=content_type, headers=headers)
