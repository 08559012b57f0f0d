"""Runs all controllers of a process: one client, one set of informers, everything owned by one task group."""

import asyncio
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from client.api import Client
from client.configuration import LiveConfiguration
from client.events import EventRecorder
from client.informer import Informer
from client.kinds import (
    CERTIFICATE_SIGNING_REQUEST,
    CONTROLLER_REVISION,
    INSTANCETYPE_KINDS,
    KUBEVIRT,
    LEASE,
    NAMESPACE,
    NODE,
    RESOURCE_QUOTA,
    VIRTUAL_MACHINE,
    VIRTUAL_MACHINE_INSTANCE,
    Kind,
)
from client.leader import LeaderElector
from client.running import until
from client.store import key_of
from controllers.certificates.controller import CertificatesController
from controllers.context import Context
from controllers.csrapproving.controller import BY_NODE as BY_REQUESTED_NODE
from controllers.csrapproving.controller import ApprovingController
from controllers.csrapproving.decide import node_of as requested_node
from controllers.csrcleaner.controller import CsrCleaner
from controllers.csrsigning.controller import SigningController
from controllers.garbagecollector.controller import GarbageCollector
from controllers.kubevirt.controller import KubeVirtController
from controllers.monitors import BY_OWNER, Monitors, owner_uids
from controllers.namespace.controller import NamespaceController
from controllers.namespacedefaults.controller import namespace_defaults
from controllers.nodelifecycle.controller import NodeLifecycleController
from controllers.resourcequota.controller import BY_NAMESPACE, ResourceQuotaController
from controllers.scheduler.controller import BY_NODE, Scheduler
from controllers.tokencleaner.controller import TokenCleaner
from controllers.virtualmachine.controller import BY_WAITING, VirtualMachineController, waiting
from kube.instances import node_of
from kube.nodes import LEASE_NAMESPACE
from kube.timestamps import utc_now

LEASE_NAME = "virtplane-controllers"
COMPONENT = "virtualmachine-controller"

log = structlog.get_logger(__name__)


def _default_identity() -> str:
    return f"{socket.gethostname()}_{os.getpid()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run the controllers."""

    kubeconfig: Path | None
    """None for the ServiceAccount of the pod."""
    leader_elect: bool
    """True where several processes run and only one may work at a time."""
    namespace: str = "default"
    """Where the leader's Lease is."""
    core_controllers: bool = True
    """False in Kubernetes, which collects garbage, empties namespaces and counts for quotas itself."""
    identity: str = field(default_factory=_default_identity)

    @property
    def agent_lease_namespace(self) -> str:
        """Where agents renew their leases: where kubelets do, unless there are some."""
        return LEASE_NAMESPACE if self.core_controllers else self.namespace


async def run(options: Options, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
    """Run the controllers until ``stop`` is set; set ``ready`` once they know all objects, or stand by to lead.

    Raises LeadershipLostError when the lease is lost: start the process again to become a candidate again.
    """
    async with Client.from_kubeconfig(options.kubeconfig, "virtplane-controllers") as client:
        began = ready or asyncio.Event()
        work = _elected(client, options, began) if options.leader_elect else _work(client, options, began)
        await until(stop, work)
    log.info("controllers stopped")


async def _elected(client: Client, options: Options, began: asyncio.Event) -> None:
    elector = LeaderElector(
        client, namespace=options.namespace, name=LEASE_NAME, identity=options.identity, standing_by=began.set
    )
    await elector.run(lambda: _work(client, options, began))


async def _work(client: Client, options: Options, began: asyncio.Event) -> None:
    events = EventRecorder(client, COMPONENT)
    informers = _informers(client, options)
    configuration = LiveConfiguration(informers[KUBEVIRT])
    context = Context(client=client, informers=informers, configuration=configuration, events=events, now=utc_now)
    controllers = [
        VirtualMachineController(context),
        Scheduler(context),
        NodeLifecycleController(
            context, lease_namespace=options.agent_lease_namespace, kubelets=not options.core_controllers
        ),
        KubeVirtController(context),
        CertificatesController(context, in_kubernetes=not options.core_controllers),
        ApprovingController(context, joining=options.core_controllers),
        SigningController(context),
    ]
    if options.core_controllers:
        monitors = Monitors(client, context.informers)
        controllers += [monitors, GarbageCollector(context, monitors), NamespaceController(context, monitors)]
        controllers += [ResourceQuotaController(context, monitors), CsrCleaner(context), TokenCleaner(context)]
        controllers += namespace_defaults(context)
    async with asyncio.TaskGroup() as group:
        group.create_task(events.run(), name="events")
        for kind, informer in context.informers.items():
            group.create_task(informer.run(), name=f"informer-{kind.plural}")
        for controller in controllers:
            group.create_task(controller.run(), name=type(controller).__name__)
        for informer in context.informers.values():
            await informer.synced.wait()
        log.info("controllers running", controllers=[type(each).__name__ for each in controllers])
        began.set()


def _informers(client: Client, options: Options) -> dict[Kind, Informer]:
    owner = {BY_OWNER: owner_uids}
    # A Kubernetes cluster is full of leases; only those of its agents are of interest there.
    lease_namespace = None if options.core_controllers else options.agent_lease_namespace
    informers = {
        VIRTUAL_MACHINE: Informer(client, VIRTUAL_MACHINE, indexers={**owner, BY_WAITING: waiting}),
        VIRTUAL_MACHINE_INSTANCE: Informer(
            client, VIRTUAL_MACHINE_INSTANCE, indexers={**owner, BY_NODE: lambda instance: [node_of(instance)]}
        ),
        NODE: Informer(client, NODE, indexers=owner),
        KUBEVIRT: Informer(client, KUBEVIRT, indexers=owner),
        CERTIFICATE_SIGNING_REQUEST: Informer(
            client,
            CERTIFICATE_SIGNING_REQUEST,
            indexers={**owner, BY_REQUESTED_NODE: lambda csr: [requested_node(csr)]},
        ),
        LEASE: Informer(client, LEASE, namespace=lease_namespace, indexers=owner),
        **{kind: Informer(client, kind, indexers=owner) for kind in (CONTROLLER_REVISION, *INSTANCETYPE_KINDS)},
    }
    if options.core_controllers:
        informers[NAMESPACE] = Informer(client, NAMESPACE, indexers=owner)
        informers[RESOURCE_QUOTA] = Informer(
            client, RESOURCE_QUOTA, indexers={**owner, BY_NAMESPACE: lambda quota: [key_of(quota).namespace]}
        )
    return informers
