"""Stored objects of earlier releases, read as if this one had written them.

A release may move a kind's hub to a newer version. What was stored before says so in its apiVersion; it is converted
whenever it is read, until somebody writes it again (``virtplane migrate storage`` writes all).
Source of the idea: the storage versions of Kubernetes' API server.
"""

from collections.abc import Iterable

import orjson

from apiserver.machinery.resource import Object, Resource
from apiserver.registry.codec import compact
from apiserver.storage.contract import Key, StorageError


class UnknownVersionError(StorageError):
    """Something is stored in a version that this release cannot read; a release between the two could."""


class Revision:
    """Converts what is stored to the hub versions of ``resources``; call it with a key and the bytes under it."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        own = [resource for resource in resources if resource.stored_as is None]
        self._resources = {resource.storage_name: resource for resource in own}
        self._current = {resource.storage_name: _beginning(resource.hub_api_version) for resource in own}

    def __call__(self, key: Key, body: bytes) -> bytes:
        """Return the body in its kind's hub version: the same bytes where it is in that already.

        Raises UnknownVersionError.
        """
        resource = self._resources.get(key.resource)
        if resource is None or body.startswith(self._current[key.resource]):
            return body
        obj: Object = orjson.loads(body)
        stored = obj["apiVersion"]
        if stored == resource.hub_api_version:
            return body
        try:
            conversion = resource.version(stored.rpartition("/")[2]).conversion
        except KeyError:
            raise UnknownVersionError(
                f"{key.resource} {key.namespace}/{key.name} is stored as {stored}, which this release cannot read: "
                "run `virtplane migrate storage` with the release that was here before"
            ) from None
        hub = obj if conversion is None else conversion.to_hub(obj)
        return compact({**hub, "apiVersion": resource.hub_api_version})


def _beginning(api_version: str) -> bytes:
    return compact({"apiVersion": api_version})[:-1]
