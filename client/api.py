"""Requests to the API: plain dicts in and out, every one with a timeout, every failure an :class:`ApiError`.

Kubernetes' own client (``kubernetes.aio``) reads the kubeconfig, holds the connections and the TLS context; its
models are not used, so that fields which they do not know survive.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version as distribution_version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import aiohttp
import orjson

from client.errors import ApiError
from client.kinds import Kind
from kube.objects import Object

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient

__all__ = ["ApiError", "Client", "Kind"]

Patch = dict[str, Any] | list[dict[str, Any]]
"""A JSON merge patch (RFC 7396) when a dict, a JSON patch (RFC 6902) when a list."""

ACCEPT = "application/json"
ACCEPT_METADATA = f"application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,{ACCEPT}"
ACCEPT_METADATA_LIST = f"application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,{ACCEPT}"
REQUEST_SECONDS = 30
CONNECT_SECONDS = 10
WATCH_GRACE_SECONDS = 15
"""How much longer than its ``timeoutSeconds`` a watch may last before the connection counts as dead."""
WATCH_SILENCE_SECONDS = 120
"""How long a watch may bring nothing before the connection counts as dead: servers send a bookmark each minute."""


class Client:
    """One connection pool to one API server, as one user."""

    def __init__(self, api: "ApiClient", name: str) -> None:
        self._api = api
        self._name = name
        self._user_agent = f"{name}/{distribution_version('virtplane')}"
        self._host: str = api.configuration.host.rstrip("/")

    @classmethod
    @asynccontextmanager
    async def from_kubeconfig(cls, path: Path | None, name: str) -> AsyncGenerator["Client"]:
        """Open a client as the current context of ``path`` says, and close it at the end.

        Without a path it is that of the ServiceAccount of the pod that this runs in.
        ``name`` is what the program calls itself in audit logs and as the manager of the fields that it writes.
        Raises KubeconfigError when the file, or what a pod has instead, is missing or unusable.
        """
        opened = await asyncio.to_thread(_opener)
        api = await opened(path)
        try:
            yield cls(api, name)
        finally:
            await api.close()

    @classmethod
    @asynccontextmanager
    async def with_token(cls, server: str, authority: Path, token: str, name: str) -> AsyncGenerator["Client"]:
        """Open a client for the ``server`` that ``authority`` vouches for, as the owner of a bearer token."""
        from client.connecting import of_bearer  # noqa: PLC0415 - see _opener

        api = of_bearer(server, authority, token)
        try:
            yield cls(api, name)
        finally:
            await api.close()

    @property
    def certificate_authority(self) -> Path | None:
        """The file of the authority that this client trusts the server by; None when it trusts those of its host."""
        file = self._api.configuration.ssl_ca_cert
        return Path(file) if file else None

    async def get(
        self, kind: Kind, name: str, namespace: str | None = None, *, subresource: str | None = None
    ) -> Object:
        """Return one object, or what a subresource shows of it."""
        return await self._request("GET", _path(kind, namespace, name) + (f"/{subresource}" if subresource else ""))

    async def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        resource_version: str | None = None,
        *,
        metadata_only: bool = False,
        limit: int | None = None,
        after: str | None = None,
    ) -> Object:
        """Return the list object: ``metadata.resourceVersion`` and ``items``, each with its kind filled in.

        ``limit`` asks for a page of so many items, ``after`` for the one that follows a page whose
        ``metadata.continue`` it is.
        ``metadata_only`` asks for no more of each item than its metadata; a server may send more all the same.
        """
        query = _selection(label_selector, field_selector) | _given(
            resourceVersion=resource_version, limit=limit, **{"continue": after}
        )
        accept = ACCEPT_METADATA_LIST if metadata_only else ACCEPT
        answer = await self._request("GET", _path(kind, namespace), query=query, accept=accept)
        # Servers leave out of items what the list already says.
        answer["items"] = [_typed(kind, item) for item in answer.get("items") or ()]
        return answer

    async def watch(
        self,
        kind: Kind,
        *,
        resource_version: str,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        timeout_seconds: int = 290,
        metadata_only: bool = False,
    ) -> AsyncGenerator[tuple[str, Object], None]:
        """Yield ``(type, object)`` for every change after ``resource_version`` until the server ends the watch.

        ``metadata_only`` is as for :meth:`list`.
        Types are ADDED, MODIFIED, DELETED and BOOKMARK. An ERROR event, such as 410 Expired, is raised.
        """
        query = _selection(label_selector, field_selector) | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(timeout_seconds),
        }
        limit = aiohttp.ClientTimeout(
            total=timeout_seconds + WATCH_GRACE_SECONDS, connect=CONNECT_SECONDS, sock_read=WATCH_SILENCE_SECONDS
        )
        accept = ACCEPT_METADATA if metadata_only else ACCEPT
        response = await self._send("GET", _path(kind, namespace), query=query, timeout=limit, accept=accept)
        try:
            async for line in _lines(response):
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise ApiError.from_status(event["object"])
                yield event["type"], event["object"]
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _no_answer(error) from error
        finally:
            # The rest of the stream is of no interest: the connection is not reused.
            response.close()

    async def create(self, kind: Kind, obj: Object) -> Object:
        """Create ``obj`` in the namespace that its metadata names; return it as stored."""
        return await self._request("POST", _path(kind, obj["metadata"].get("namespace")), body=obj)

    async def update(self, kind: Kind, obj: Object) -> Object:
        """Replace all but the status; a conflict when ``metadata.resourceVersion`` is set and not the newest."""
        return await self._request("PUT", _path_of(kind, obj), body=obj)

    async def finalize(self, kind: Kind, obj: Object) -> Object:
        """Replace the ``spec.finalizers`` of a kind that is held by such; a conflict as with :meth:`update`."""
        return await self._request("PUT", f"{_path_of(kind, obj)}/finalize", body=obj)

    async def patch(
        self, kind: Kind, name: str, namespace: str | None, patch: Patch, *, subresource: str | None = None
    ) -> Object:
        """Apply a JSON merge patch (dict) or a JSON patch (list); return the object as stored."""
        media_type = "application/json-patch+json" if isinstance(patch, list) else "application/merge-patch+json"
        path = _path(kind, namespace, name) + (f"/{subresource}" if subresource else "")
        return await self._request("PATCH", path, body=patch, media_type=media_type)

    async def apply(self, kind: Kind, obj: Object) -> Object:
        """Apply ``obj`` on the server's side and return it as stored; what others say of its fields gives way."""
        query = {"fieldManager": self._name, "force": "true"}
        media_type = "application/apply-patch+yaml"
        return await self._request("PATCH", _path_of(kind, obj), query=query, body=obj, media_type=media_type)

    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_period_seconds: int | None = None,
        propagation_policy: str | None = None,
    ) -> Object:
        """Ask for the deletion of one object; a conflict when it is no longer the one, or as, the caller knows it."""
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
        options |= _given(gracePeriodSeconds=grace_period_seconds, propagationPolicy=propagation_policy)
        if preconditions := _given(uid=uid, resourceVersion=resource_version):
            options["preconditions"] = preconditions
        return await self._request("DELETE", _path(kind, namespace, name), body=options)

    async def delete_collection(self, kind: Kind, namespace: str) -> Object:
        """Ask for the deletion of every object of ``kind`` in ``namespace``.

        Returns the list of what was there, with no more of each item than its metadata where the server can do that.
        """
        return await self._request("DELETE", _path(kind, namespace), accept=ACCEPT_METADATA_LIST)

    async def document(self, path: str, accept: str) -> Object:
        """Return a document that is no object, such as one of discovery."""
        return await self._request("GET", path, accept=accept)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        media_type: str = "application/json",
        accept: str = ACCEPT,
    ) -> Object:
        limit = aiohttp.ClientTimeout(total=REQUEST_SECONDS, connect=CONNECT_SECONDS)
        response = await self._send(
            method, path, query=query, body=body, media_type=media_type, timeout=limit, accept=accept
        )
        return orjson.loads(await _read(response))

    async def _send(
        self,
        method: str,
        path: str,
        *,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - handed to aiohttp, which enforces it
        query: dict[str, str] | None = None,
        body: Any = None,
        media_type: str = "application/json",
        accept: str = ACCEPT,
    ) -> aiohttp.ClientResponse:
        url = self._host + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": accept, "Content-Type": media_type, "User-Agent": self._user_agent}
        # Credentials of kubeconfigs that hold a token; client certificates are in the TLS context.
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        try:
            answer = await self._api.call_api(method, url, headers, body=body, _request_timeout=timeout)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _no_answer(error) from error
        if answer.status >= 400:
            raise ApiError.from_answer(answer.status, await _read(answer.response))
        return answer.response


def _opener() -> Callable[[Path | None], Awaitable["ApiClient"]]:
    """Load Kubernetes' client: it takes a fifth of a server's start, which needs it only afterwards."""
    from client.connecting import opened  # noqa: PLC0415

    return opened


async def _read(response: aiohttp.ClientResponse) -> bytes:
    try:
        return await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise _no_answer(error) from error


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield whole lines of any length (aiohttp's own line reader has a limit below that of an object)."""
    rest: list[bytes] = []
    async for chunk in response.content.iter_any():
        first, *others = chunk.split(b"\n")
        rest.append(first)
        for other in others:
            if line := b"".join(rest):
                yield line
            rest = [other]


def _no_answer(error: Exception) -> ApiError:
    reason = "Timeout" if isinstance(error, asyncio.TimeoutError) else "ConnectionFailed"
    return ApiError(0, reason, str(error) or type(error).__name__)


def _path(kind: Kind, namespace: str | None, name: str | None = None) -> str:
    inside = f"/namespaces/{quote(namespace, safe='')}" if kind.namespaced and namespace else ""
    return f"{kind.root}{inside}/{kind.plural}" + (f"/{quote(name, safe='')}" if name else "")


def _path_of(kind: Kind, obj: Object) -> str:
    return _path(kind, obj["metadata"].get("namespace"), obj["metadata"]["name"])


def _selection(label_selector: str | None, field_selector: str | None) -> dict[str, str]:
    return _given(labelSelector=label_selector, fieldSelector=field_selector)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _typed(kind: Kind, item: Object) -> Object:
    item.setdefault("apiVersion", kind.api_version)
    item.setdefault("kind", kind.kind)
    return item
