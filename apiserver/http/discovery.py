"""Discovery: which groups, versions and resources are served; in the old form and in the aggregated one.

Everything is built once from the table of resources and answered from memory.
Source: Kubernetes API concepts, "API Discovery"; KEP-3352.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from aiohttp import web

from apiserver.http import discovery_actions
from apiserver.http.answers import json
from apiserver.http.negotiation import accepted
from apiserver.machinery import errors
from apiserver.machinery.action import Action
from apiserver.machinery.resource import Resource

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"


class Discovery:
    """All discovery documents, as bytes."""

    def __init__(self, resources: Iterable[Resource], actions: Iterable[Action] = ()) -> None:
        self._groups: dict[str, dict[str, list[Resource]]] = {}
        for resource in resources:
            for version in resource.versions:
                self._groups.setdefault(resource.group, {}).setdefault(version.name, []).append(resource)
        self._actions: dict[tuple[str, str], list[Action]] = {}
        for action in actions:
            for version in action.versions:
                self._groups.setdefault(action.group, {}).setdefault(version, [])
                self._actions.setdefault((action.group, version), []).append(action)
        self._aggregated = {
            (root, version): _Document(self._aggregated_list(root, version))
            for root in ("/api", "/apis")
            for version in ("v2", "v2beta1")
        }

    def answer(self, request: web.BaseRequest, root: str, below: Sequence[str]) -> web.Response:
        """Answer ``/api`` and ``/apis`` (the ``root``), and versions and groups ``below`` them. Raises 404."""
        match (root, *below):
            case (_,):
                return self._root(request)
            case ("apis", group):
                return self._group_document(group)
            case ("api", version):
                return self._version("", version)
            case ("apis", group, version):
                return self._version(group, version)
            case _:
                raise errors.no_such_path()

    def _root(self, request: web.BaseRequest) -> web.Response:
        path = request.path.rstrip("/")
        for media in accepted(request.headers.get("Accept", "")):
            if media.wants == "APIGroupDiscoveryList" and media.parameters.get("g") == "apidiscovery.k8s.io":
                version = media.parameters.get("v", "")
                if document := self._aggregated.get((path, version)):
                    return document.answer(request, AGGREGATED.format(version=version))
            elif not media.wants:
                break
        return json(self._legacy_core() if path == "/api" else self._legacy_groups(), headers={"Vary": "Accept"})

    def paths(self) -> list[str]:
        """Return the paths of all documents in the old form."""
        versions = [
            f"/apis/{group}/{version}" if group else f"/api/{version}"
            for group, served in self._groups.items()
            for version in served
        ]
        return ["/api", "/apis", *(f"/apis/{group}" for group in self._groups if group), *versions]

    def _group_document(self, group: str) -> web.Response:
        if not group or group not in self._groups:
            raise errors.no_such_path()
        return json({"kind": "APIGroup", "apiVersion": "v1", **self._group(group)})

    def _version(self, group: str, version: str) -> web.Response:
        resources = self._groups.get(group, {}).get(version)
        if resources is None:
            raise errors.no_such_path()
        return json(
            {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": f"{group}/{version}" if group else version,
                "resources": [
                    *(entry for resource in resources for entry in _legacy_entries(resource)),
                    *map(discovery_actions.legacy_entry, self._actions.get((group, version), ())),
                ],
            }
        )

    def _legacy_core(self) -> dict[str, Any]:
        return {
            "kind": "APIVersions",
            "versions": list(self._groups.get("", {})),
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}],
        }

    def _legacy_groups(self) -> dict[str, Any]:
        return {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [self._group(g) for g in self._groups if g],
        }

    def _group(self, group: str) -> dict[str, Any]:
        versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in self._groups[group]]
        return {"name": group, "versions": versions, "preferredVersion": versions[0]}

    def _aggregated_list(self, root: str, version: str) -> dict[str, Any]:
        groups = [group for group in self._groups if bool(group) == (root == "/apis")]
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"apidiscovery.k8s.io/{version}",
            "metadata": {},
            "items": [
                {
                    "metadata": {"name": group, "creationTimestamp": None},
                    "versions": [
                        {
                            "version": name,
                            "resources": discovery_actions.with_actions(
                                (_aggregated_entry(resource, name) for resource in resources),
                                self._actions.get((group, name), ()),
                            ),
                            "freshness": "Current",
                        }
                        for name, resources in self._groups[group].items()
                    ],
                }
                for group in groups
            ],
        }


class _Document:
    """One document with its strong ETag."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._body = orjson.dumps(content)
        self._etag = '"' + hashlib.sha256(self._body).hexdigest().upper() + '"'

    def answer(self, request: web.BaseRequest, content_type: str) -> web.Response:
        headers = {"ETag": self._etag, "Vary": "Accept", "Content-Type": content_type}
        if request.headers.get("If-None-Match") == self._etag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=self._body, headers=headers)


def _legacy_entries(resource: Resource) -> list[dict[str, Any]]:
    entry: dict[str, Any] = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if not resource.transient:
        entry["storageVersionHash"] = _storage_version_hash(resource)
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return [entry, *(_legacy_subresource(resource, name) for name in resource.subresources)]


def _legacy_subresource(resource: Resource, name: str) -> dict[str, Any]:
    kind, version = resource.served_at(name, "")
    entry: dict[str, Any] = {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": kind.kind,
        "verbs": list(resource.subresources[name]),
    }
    # Only what is of another group than the rest says so.
    return entry if kind is resource else {**entry, "group": kind.group, "version": version}


def _aggregated_entry(resource: Resource, version: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "resource": resource.plural,
        "responseKind": _group_version_kind(resource, version),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [
            {
                "subresource": name,
                "responseKind": _group_version_kind(*resource.served_at(name, version)),
                "verbs": list(verbs),
            }
            for name, verbs in resource.subresources.items()
        ]
    return entry


def _group_version_kind(resource: Resource, version: str) -> dict[str, str]:
    return {"group": resource.group, "version": version, "kind": resource.kind}


def _storage_version_hash(resource: Resource) -> str:
    """Return a short opaque value that changes with the stored version (``discovery.StorageVersionHash``)."""
    digest = hashlib.sha256(f"{resource.group}/{resource.hub.name}/{resource.kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()
