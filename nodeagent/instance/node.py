"""What works on guests on this node."""

from dataclasses import dataclass

from client.configuration import LiveConfiguration
from nodeagent.domain.facts import HostFacts
from nodeagent.hypervisor.gateway import Hypervisor
from nodeagent.instance.workspace import Workspaces
from nodeagent.network.pod_network import PodNetwork


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What instances are run with on their node."""

    host: HostFacts
    configuration: LiveConfiguration
    hypervisor: Hypervisor
    workspaces: Workspaces
    network: PodNetwork
