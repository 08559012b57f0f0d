"""A stand-in for a Kubernetes cluster, as none can run where this is built.

It is a real server of ours that also serves the kinds of which an installation consists and which are not ours to
serve: Deployments, APIServices and so on, with metadata and status as everywhere and any content. What the controllers
of a cluster would write there, :class:`Machinery` writes. It aggregates nothing: an APIService leads nowhere.
"""

import asyncio
import contextlib
import dataclasses
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import openapi
from apiserver import server as apiserver_server
from apiserver.http.api import Api
from apiserver.machinery.resource import Resource, Strategy, Version
from apiserver.machinery.schema import Catalogue
from apiserver.server import Options, Surroundings
from apiserver.standalone import Own, Standalone
from apiserver.storage.cache import WatchCache
from client.api import Client
from client.informer import Informer
from client.kinds import API_SERVICE, DAEMON_SET, DEPLOYMENT, NAMESPACE, Kind
from client.store import key_of
from client.workqueue import WorkQueue
from kube.groups import is_kubevirt
from kube.metadata import status_patch
from kube.objects import Object
from tests.server import Server, running_server
from virtplane.kubernetes.manifests import KINDS

NAMESPACES = ("default", "kube-system")
RUNNING = (DEPLOYMENT, DAEMON_SET, API_SERVICE)
_ANYTHING = {"x-kubernetes-preserve-unknown-fields": True}


def catalogue(directory: Path) -> Catalogue:
    """Return our schemas, and in ``directory`` made ones of the other kinds of an installation."""
    shutil.copytree(openapi.DIRECTORY, directory, dirs_exist_ok=True)
    for kind in KINDS:
        path = directory / (kind.group or "core") / f"{kind.version}.yaml"
        path.parent.mkdir(exist_ok=True)
        new = {"package": f"test.{kind.group}", "group": kind.group, "version": kind.version, "kinds": []}
        said = yaml.safe_load(path.read_text()) if path.exists() else {**new, "definitions": {}}
        if kind.kind in said["kinds"]:
            continue
        said["kinds"].append(kind.kind)
        metadata = {"$ref": "../meta/v1.yaml#/definitions/ObjectMeta"}
        text = {"type": "string"}
        said["definitions"][kind.kind] = {
            "type": "object",
            "properties": {
                "apiVersion": text,
                "kind": text,
                "metadata": metadata,
                "spec": _ANYTHING,
                "status": _ANYTHING,
            },
        }
        path.write_text(yaml.safe_dump(said))
    return Catalogue.load(directory)


class Cluster(Standalone):
    """What a cluster has around its API server."""

    def __init__(self, schemas: Catalogue, own: Own, *, machines: bool) -> None:
        """``machines`` is False where KubeVirt's groups are not served, or by nobody who answers."""
        super().__init__(schemas, own, data_volumes=True)
        self._machines = machines
        known = {(each.group, each.plural) for each in self.served}
        more = [_resource(schemas, kind) for kind in KINDS if (kind.group, kind.plural) not in known]
        # In a cluster somebody runs pods.
        runs = (
            dataclasses.replace(each, strategy=Strategy()) if each.plural == "pods" else each for each in self.served
        )
        self.served = (*runs, *more)

    def api(self, store: WatchCache) -> Api:
        """Return what is served from ``store``."""
        api = super().api(store)
        if self._machines:
            return api
        left = {names: each for names, each in api.resources.items() if not is_kubevirt(each.group)}
        actions = {names: each for names, each in api.actions.items() if not is_kubevirt(each.group)}
        return dataclasses.replace(api, resources=left, actions=actions)

    async def prepare(self, api: Api) -> None:
        """Make nothing: what a cluster begins with is made by others."""


def _resource(schemas: Catalogue, kind: Kind) -> Resource:
    return Resource(
        group=kind.group,
        kind=kind.kind,
        plural=kind.plural,
        singular=kind.kind.lower(),
        namespaced=kind.namespaced,
        versions=(Version(name=kind.version, schema=schemas.schema(kind.group, kind.version, kind.kind)),),
        has_status=True,
        has_generation=True,
    )


@contextlib.asynccontextmanager
async def running_cluster(
    directory: Path, schemas: Catalogue, *, machines: bool = True, **how: Any
) -> AsyncIterator[Server]:
    """Run a cluster that has its first namespaces; ``how`` are options of its server."""

    usual = apiserver_server._surroundings

    def around(options: Options, stop: asyncio.Event) -> contextlib.AbstractAsyncContextManager[Surroundings]:
        if not isinstance(options.around, Own):  # a server that is part of this cluster, in the same process
            return usual(options, stop)
        return contextlib.nullcontext(Cluster(schemas, options.around, machines=machines))

    async with contextlib.AsyncExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(apiserver_server, "_surroundings", around)
            server = await stack.enter_async_context(running_server(directory, **how))
        async with Client.from_kubeconfig(server.kubeconfig("admin"), "tests") as client:
            for name in NAMESPACES:
                await client.create(NAMESPACE, {"metadata": {"name": name}})
        yield server


class Machinery:
    """Writes, on what an installation consists of, what a cluster's own controllers would: that it runs, or why not."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._informers = {kind: Informer(client, kind) for kind in RUNNING}
        self._queue: WorkQueue[tuple[Kind, str, str]] = WorkQueue("machinery", self._reconcile, workers=2)
        self.wrong: dict[str, Object] = {}
        """The status, by the name of the object, of what does not run."""
        for kind, informer in self._informers.items():
            informer.add_handler(lambda old, new, kind=kind: self._changed(kind, new or old or {}))

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers.values():
                group.create_task(informer.run())
            group.create_task(self._queue.run())

    def repair(self) -> None:
        """Let everything run."""
        self.wrong.clear()
        for kind, informer in self._informers.items():
            for obj in informer.all():
                self._changed(kind, obj)

    def _changed(self, kind: Kind, obj: Object) -> None:
        self._queue.add((kind, *key_of(obj)))

    async def _reconcile(self, key: tuple[Kind, str, str]) -> None:
        kind, namespace, name = key
        obj = self._informers[kind].get(name, namespace)
        if obj is None:
            return
        wanted = self.wrong.get(name, _running(obj))
        if (patch := status_patch(obj, {**obj.get("status", {}), **wanted})) is not None:
            await self._client.patch(kind, name, namespace or None, patch, subresource="status")


def _running(obj: Object) -> Object:
    observed = {"observedGeneration": obj["metadata"].get("generation", 0)}
    match obj["kind"]:
        case "Deployment":
            count = obj["spec"].get("replicas", 1)
            return {**observed, "replicas": count, "updatedReplicas": count, "availableReplicas": count}
        case "DaemonSet":
            return {**observed, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2}
        case _:
            return {"conditions": [{"type": "Available", "status": "True", "reason": "Passed"}]}
