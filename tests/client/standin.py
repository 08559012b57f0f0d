"""A small real HTTP server that stands in for an API server, so that the client is tested on its own.

It keeps objects in memory and speaks the little of the API that the client uses: one counter of revisions, list,
watch, create, update, merge patch, delete with finalizers, Status errors. No schemas, no authentication.
"""

import asyncio
import copy
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import yaml
from aiohttp import web

from client import kinds

Object = dict[str, Any]
KINDS = (
    kinds.CONTROLLER_REVISION,
    *kinds.INSTANCETYPE_KINDS,
    kinds.CONFIG_MAP,
    kinds.EVENT,
    kinds.KUBEVIRT,
    kinds.LEASE,
    kinds.NAMESPACE,
    kinds.NODE,
    kinds.SECRET,
    kinds.VIRTUAL_MACHINE,
    kinds.VIRTUAL_MACHINE_INSTANCE,
)
"""What it says it serves."""
SUBRESOURCES = ("status", "finalize")


def failure(code: int, reason: str, message: str = "") -> web.Response:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    return web.json_response({**status, "message": message or reason}, status=code)


def merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


class StandIn:
    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.log: list[tuple[int, str, str, Object]] = []
        self.revision = 0
        self.oldest = 0
        self.requests: list[tuple[str, str, Any]] = []
        self.agents: set[str] = set()
        self.refuse: dict[tuple[str, str], web.Response] = {}
        self.changed = asyncio.Condition()
        self.watching = 0
        self._uids = itertools.count(1)
        self._watches: set[asyncio.Task[Any]] = set()

    async def write(self, kind: str, key: tuple[str, str, str], obj: Object) -> Object:
        self.revision += 1
        obj = copy.deepcopy(obj)
        obj["metadata"]["resourceVersion"] = str(self.revision)
        if kind == "DELETED":
            self.objects.pop(key)
        else:
            self.objects[key] = obj
        self.log.append((self.revision, kind, key[0], obj))
        async with self.changed:
            self.changed.notify_all()
        return obj

    async def put(self, plural: str, obj: Object) -> Object:
        """Create or replace an object as somebody else would."""
        metadata = obj["metadata"]
        key = (plural, metadata.get("namespace", ""), metadata["name"])
        old = self.objects.get(key)
        metadata.setdefault("uid", old["metadata"]["uid"] if old else f"uid-{next(self._uids)}")
        metadata.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        metadata.setdefault("generation", 1)
        return await self.write("MODIFIED" if old else "ADDED", key, obj)

    def get(self, plural: str, name: str, namespace: str = "default") -> Object | None:
        return self.objects.get((plural, namespace, name))

    def compact(self) -> None:
        self.oldest = self.revision

    def drop_watches(self) -> None:
        for task in self._watches:
            task.cancel()

    async def until(self, holds: Any) -> None:
        """Wait until ``holds()`` is true after some write."""
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(holds)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.strip("/").split("/")
        if len(parts) == 1:
            if refusal := self.refuse.pop((request.method, parts[0]), None):
                return refusal
            return web.json_response(discovery(core=parts[0] == "api"))
        parts = parts[3:] if parts[0] == "apis" else parts[2:]
        inside = parts[0] == "namespaces" and len(parts) > 2 and parts[2] not in SUBRESOURCES
        namespace = parts[1] if inside else ""
        plural, *rest = parts[2:] if namespace else parts
        name, subresource = [*rest, "", ""][:2]
        body = orjson.loads(raw) if (raw := await request.read()) else None
        self.agents.add(request.headers["User-Agent"])
        self.requests.append((request.method, request.path, body))
        if refusal := self.refuse.pop((request.method, plural), None):
            return refusal
        if request.method == "GET" and not name:
            if "watch" in request.query:
                return await self._watch(request, plural, namespace)
            items = [obj for key, obj in self.objects.items() if key[0] == plural and namespace in ("", key[1])]
            return web.json_response({"metadata": {"resourceVersion": str(self.revision)}, "items": items})
        if request.method == "POST":
            return await self._create(plural, namespace, body)
        if request.method == "DELETE" and not name:
            found = [key for key in self.objects if key[:2] == (plural, namespace)]
            items = [self.objects[key] for key in found]
            for key in found:
                await self._delete(key, {})
            return web.json_response({"metadata": {}, "items": items})
        return await self._one(request.method, (plural, namespace, name), subresource, body)

    async def _create(self, plural: str, namespace: str, body: Object) -> web.Response:
        if (plural, namespace, body["metadata"]["name"]) in self.objects:
            return failure(409, "AlreadyExists")
        return web.json_response(await self.put(plural, body), status=201)

    async def _one(self, method: str, key: tuple[str, str, str], subresource: str, body: Any) -> web.Response:
        old = self.objects.get(key)
        if old is None:
            return failure(404, "NotFound")
        if method == "GET":
            return web.json_response(old)
        if method == "DELETE":
            return await self._delete(key, body or {})
        new = merged(old, body) if method == "PATCH" else body
        if new["metadata"].get("resourceVersion") not in (None, old["metadata"]["resourceVersion"]):
            return failure(409, "Conflict")
        kept = (
            {"status": new.get("status", {})} if subresource == "status" else {**new, "status": old.get("status", {})}
        )
        new = {**old, **kept}
        gone = "deletionTimestamp" in new["metadata"] and not held(new)
        return web.json_response(await self.write("DELETED" if gone else "MODIFIED", key, new))

    async def _delete(self, key: tuple[str, str, str], options: Object) -> web.Response:
        old = self.objects[key]
        if options.get("preconditions", {}).get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
            return failure(409, "Conflict")
        if not held(old):
            return web.json_response(await self.write("DELETED", key, old))
        new = copy.deepcopy(old)
        new["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        return web.json_response(await self.write("MODIFIED", key, new))

    async def _watch(self, request: web.Request, plural: str, namespace: str) -> web.StreamResponse:
        position = int(request.query["resourceVersion"])
        response = web.StreamResponse()
        await response.prepare(request)
        if position < self.oldest:
            status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
            await response.write(orjson.dumps({"type": "ERROR", "object": status}) + b"\n")
            return response
        task = asyncio.current_task()
        assert task is not None
        self._watches.add(task)
        self.watching += 1
        try:
            while True:
                for revision, kind, where, obj in self.log:
                    if revision > position and where == plural and namespace in ("", obj["metadata"].get("namespace")):
                        await response.write(orjson.dumps({"type": kind, "object": obj}) + b"\n")
                position = max(position, self.revision)
                async with self.changed:
                    while self.revision <= position:
                        await self.changed.wait()
        except ConnectionResetError:
            # The client has gone; nobody is left to tell.
            return response
        finally:
            self.watching -= 1
            self._watches.discard(task)


def discovery(*, core: bool) -> Object:
    """What is served, as aggregated discovery tells it."""
    groups: dict[str, dict[str, list[Object]]] = {}
    for kind in KINDS:
        described = {
            "resource": kind.plural,
            "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        }
        groups.setdefault(kind.group, {}).setdefault(kind.version, []).append(described)
    items = [
        {
            "metadata": {"name": group} if group else {},
            "versions": [
                {"version": version, "resources": resources, "freshness": "Current"}
                for version, resources in versions.items()
            ],
        }
        for group, versions in groups.items()
        if core is not bool(group)
    ]
    return {"kind": "APIGroupDiscoveryList", "items": items}


def held(obj: Object) -> bool:
    return bool(obj["metadata"].get("finalizers") or obj.get("spec", {}).get("finalizers"))


@asynccontextmanager
async def stand_in(directory: Path) -> AsyncIterator[tuple[StandIn, Path]]:
    """Serve a stand-in on a free port; yield it and a kubeconfig for it."""
    server = StandIn()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    kubeconfig = directory / "kubeconfig"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": f"http://{host}:{port}"}}],
        "users": [{"name": "test", "user": {"token": "made-up"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    kubeconfig.write_text(yaml.safe_dump(content))
    try:
        yield server, kubeconfig
    finally:
        server.drop_watches()
        await runner.cleanup()
