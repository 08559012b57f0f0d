"""Nodes as the server, controllers and agents agree on them: how they are called, and how they show that they live."""

import platform
from ipaddress import ip_address

from kube.objects import Object

SCHEDULABLE_LABEL = "kubevirt.io/schedulable"
"""``true`` on a node that takes instances."""
LEASE_NAMESPACE = "kube-node-lease"
"""Where each node's agent renews a Lease of the node's name."""

POD_NODE = "authentication.kubernetes.io/node-name"
"""Where a cluster says which node the pod is on that a token was made for (KEP-4193)."""
AGENT_PORT = "virtplane.io/agent-port"
"""The annotation of a Node with the port of its agent, where a kubelet keeps the status."""

LAST_PORT = 65535
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What Kubernetes calls the machines that the kernel calls otherwise."""


def agent_address(node: Object) -> tuple[str, int] | None:
    """Return the address and the port of a node's agent; None while the node tells none that there can be."""
    status = node.get("status", {})
    address = next((each["address"] for each in status.get("addresses", ()) if each["type"] == "InternalIP"), None)
    own = (node["metadata"].get("annotations") or {}).get(AGENT_PORT, "")
    # What has more digits is no port, and may be too long to be read at all.
    port = int(own[:6]) if own.isdecimal() else status.get("daemonEndpoints", {}).get("kubeletEndpoint", {}).get("Port")
    return (address, port) if address and port and _is_address(address) and 0 < port <= LAST_PORT else None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def architecture() -> str:
    """Return the architecture of this host by Kubernetes' name."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)
