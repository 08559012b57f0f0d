"""The Node of this agent, and the Lease that shows that the agent lives.

Source: Kubernetes' node heartbeats (a Lease every 10 s, the status only when it changes) and KubeVirt's virt-handler
(the label ``kubevirt.io/schedulable``).
"""

import asyncio
import contextlib
from importlib.metadata import version
from typing import Any

import structlog

from client.api import ApiError, Client
from client.configuration import LiveConfiguration
from client.kinds import LEASE, NODE
from kube import quantity
from kube.conditions import set_condition
from kube.metadata import status_patch
from kube.nodes import LEASE_NAMESPACE, SCHEDULABLE_LABEL
from kube.objects import Object
from kube.timestamps import to_micro_time, utc_now
from nodeagent.host import Host
from nodeagent.hypervisor.gateway import Hypervisor

LEASE_SECONDS = 40
RENEW_SECONDS = 10
RETRY_SECONDS = 1.0
ACCELERATION_LABEL = "virtplane.io/acceleration"
MOST_GUESTS = 1000

log = structlog.get_logger(__name__)


class Registration:
    """Keeps the Node and its Lease."""

    def __init__(
        self,
        client: Client,
        name: str,
        host: Host,
        hypervisor: Hypervisor,
        configuration: LiveConfiguration,
        *,
        kvm: bool,
        port: int | None,
    ) -> None:
        """``kvm`` says whether that works here; the configuration may forbid it all the same.

        ``port`` is that of the agent's own server, where it has one.
        """
        self._client = client
        self._name = name
        self._host = host
        self._hypervisor = hypervisor
        self._configuration = configuration
        self._kvm = kvm
        self._port = port

    async def register(self) -> Object:
        """Return the Node as stored, made or brought up to date; tries until the server answers."""
        while True:
            try:
                return await self._bring_up_to_date()
            except ApiError as error:
                log.warning("cannot register the node, will retry", node=self._name, error=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def run(self) -> None:
        """Renew the Lease and keep the Node current until cancelled."""
        while True:
            try:
                await self._renew()
                await self._bring_up_to_date()
            except ApiError as error:
                log.warning("cannot renew the node's lease, will retry", node=self._name, error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                await self._until_due()

    async def _until_due(self) -> None:
        """Wait until the Lease is to be renewed, or until libvirt comes or goes, which the Node tells at once."""
        turn = self._hypervisor.lost if self._hypervisor.connected.is_set() else self._hypervisor.connected
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RENEW_SECONDS):
                await turn.wait()

    async def _renew(self) -> None:
        spec = {
            "holderIdentity": self._name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": to_micro_time(utc_now()),
        }
        try:
            await self._client.patch(LEASE, self._name, LEASE_NAMESPACE, {"spec": spec})
        except ApiError as error:
            if not error.not_found:
                raise
            metadata = {"name": self._name, "namespace": LEASE_NAMESPACE}
            await self._client.create(LEASE, {"metadata": metadata, "spec": spec})

    async def _bring_up_to_date(self) -> Object:
        try:
            node = await self._client.get(NODE, self._name)
        except ApiError as error:
            if not error.not_found:
                raise
            log.info("registering the node", node=self._name)
            node = await self._client.create(NODE, {"metadata": self._metadata()})
        if (metadata := self._metadata_patch(node)) is not None:
            node = await self._client.patch(NODE, self._name, None, metadata)
        if (patch := status_patch(node, self._status(node))) is not None:
            node = await self._client.patch(NODE, self._name, None, patch, subresource="status")
        return node

    def _metadata(self) -> Object:
        return {"name": self._name, "labels": {SCHEDULABLE_LABEL: "true", **self._labels()}}

    def _labels(self) -> dict[str, str]:
        """Return the labels that are the agent's to decide; whether the node is schedulable is not."""
        kvm = self._kvm and not self._configuration.now.use_emulation
        return {
            "kubernetes.io/hostname": self._name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": self._host.architecture,
            ACCELERATION_LABEL: "kvm" if kvm else "emulation",
        }

    def _metadata_patch(self, node: Object) -> Object | None:
        labels = node["metadata"].get("labels", {})
        missing = {key: value for key, value in self._labels().items() if labels.get(key) != value}
        return {"metadata": {"labels": missing}} if missing else None

    def _status(self, node: Object) -> Object:
        status = node.get("status", {})
        endpoints = {} if self._port is None else {"daemonEndpoints": {"kubeletEndpoint": {"Port": self._port}}}
        total = {"cpu": str(self._host.cpus), "pods": str(MOST_GUESTS)}
        return {
            **status,
            "capacity": {**total, "memory": quantity.format_bytes(self._host.memory_bytes)},
            "allocatable": {**total, "memory": quantity.format_bytes(self._host.guest_memory_bytes)},
            "addresses": [
                {"type": "InternalIP", "address": self._host.address},
                {"type": "Hostname", "address": self._host.host_name},
            ],
            **endpoints,
            "nodeInfo": self._node_info(),
            "conditions": set_condition(status.get("conditions", ()), self._ready(), utc_now()),
        }

    def _ready(self) -> Object:
        if self._hypervisor.connected.is_set():
            return {"type": "Ready", "status": "True", "reason": "AgentReady", "message": "libvirt answers"}
        message = f"libvirt does not answer at {self._hypervisor.uri}"
        return {"type": "Ready", "status": "False", "reason": "LibvirtUnavailable", "message": message}

    def _node_info(self) -> dict[str, Any]:
        return {
            "architecture": self._host.architecture,
            "bootID": self._host.boot_id,
            "kernelVersion": self._host.kernel,
            "kubeletVersion": f"virtplane-{version('virtplane')}",
            "machineID": self._host.machine_id,
            "operatingSystem": "linux",
            "osImage": self._host.operating_system,
        }
