"""The Node of this agent, and the Lease that shows that the agent lives.

Source: Kubernetes' node heartbeats (a Lease every 10 s, the status only when it changes) and KubeVirt's virt-handler
(the label ``kubevirt.io/schedulable``).
"""

import asyncio
import contextlib
from importlib.metadata import version
from typing import Any

import structlog

from client.api import Client
from client.configuration import LiveConfiguration
from client.errors import ApiError, if_found
from client.kinds import LEASE, NODE
from kube import quantity
from kube.conditions import set_condition
from kube.installation import NAMESPACE as INSTALL_NAMESPACE
from kube.metadata import status_patch
from kube.nodes import AGENT_PORT, LEASE_NAMESPACE, SCHEDULABLE_LABEL
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
        port: int,
        kubelet: bool = False,
    ) -> None:
        """``kvm`` says whether that works here; the configuration may forbid it all the same.

        ``port`` is that of the agent's own server. With a ``kubelet`` the Node is that one's, its status too, and so is
        the lease of its name.
        """
        self._client = client
        self._name = name
        self._host = host
        self._hypervisor = hypervisor
        self._configuration = configuration
        self._kvm = kvm
        self._port = port
        self._kubelet = kubelet
        self._lease_namespace = INSTALL_NAMESPACE if kubelet else LEASE_NAMESPACE

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
        if self._kubelet and not self._hypervisor.connected.is_set():
            return  # the Ready condition, which tells this elsewhere, is the kubelet's
        spec = {
            "holderIdentity": self._name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": to_micro_time(utc_now()),
        }
        patching = self._client.patch(LEASE, self._name, self._lease_namespace, {"spec": spec})
        if await if_found(patching) is None:
            metadata = {"name": self._name, "namespace": self._lease_namespace}
            await self._client.create(LEASE, {"metadata": metadata, "spec": spec})

    async def _bring_up_to_date(self) -> Object:
        node = await self._node()
        if (metadata := self._metadata_patch(node)) is not None:
            node = await self._client.patch(NODE, self._name, None, metadata)
        if not self._kubelet and (patch := status_patch(node, self._status(node))) is not None:
            node = await self._client.patch(NODE, self._name, None, patch, subresource="status")
        return node

    async def _node(self) -> Object:
        try:
            return await self._client.get(NODE, self._name)
        except ApiError as error:
            if self._kubelet or not error.not_found:
                raise
        log.info("registering the node", node=self._name)
        return await self._client.create(NODE, {"metadata": self._metadata()})

    def _metadata(self) -> Object:
        return {"name": self._name, "labels": {SCHEDULABLE_LABEL: "true", **self._labels()}}

    def _labels(self) -> dict[str, str]:
        """Return the labels that are the agent's to decide; whether the node is schedulable is not."""
        return {
            "kubernetes.io/hostname": self._name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": self._host.architecture,
            ACCELERATION_LABEL: self._acceleration(),
        }

    def _acceleration(self) -> str:
        return "kvm" if self._kvm and not self._configuration.now.use_emulation else "emulation"

    def _metadata_patch(self, node: Object) -> Object | None:
        changes: Object = {}
        for field, wanted in self._wanted(node).items():
            present = node["metadata"].get(field, {})
            if missing := {key: value for key, value in wanted.items() if present.get(key) != value}:
                changes[field] = missing
        return {"metadata": changes} if changes else None

    def _wanted(self, node: Object) -> dict[str, dict[str, str]]:
        """Return the labels and annotations that the Node is to have."""
        if not self._kubelet:
            return {"labels": self._labels()}
        # Whether the node takes guests is decided by others, once it has been seen.
        schedulable = node["metadata"].get("labels", {}).get(SCHEDULABLE_LABEL, "true")
        return {
            "labels": {SCHEDULABLE_LABEL: schedulable, ACCELERATION_LABEL: self._acceleration()},
            "annotations": {AGENT_PORT: str(self._port)},
        }

    def _status(self, node: Object) -> Object:
        status = node.get("status", {})
        total = {"cpu": str(self._host.cpus), "pods": str(MOST_GUESTS)}
        return {
            **status,
            "capacity": {**total, "memory": quantity.format_bytes(self._host.memory_bytes)},
            "allocatable": {**total, "memory": quantity.format_bytes(self._host.guest_memory_bytes)},
            "addresses": [
                {"type": "InternalIP", "address": self._host.address},
                {"type": "Hostname", "address": self._host.host_name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._port}},
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
