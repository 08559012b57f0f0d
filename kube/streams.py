"""Streams between the API server and the agents of nodes, as both agree on them.

Source: KubeVirt's virt-handler, whose paths these are (``cmd/virt-handler/virt-handler.go``).
"""

PROTOCOL = "plain.kubevirt.io"
"""The sub-protocol of WebSockets that carry bytes as they are."""
PRESERVE = "preserveSession"
"""The parameter that says, as ``true``, not to take a device from somebody else."""
UID = "uid"
"""The parameter that says which instance of the name is meant: another one is another guest."""


def path(namespace: str, name: str, device: str) -> str:
    """Return where an agent serves a device of an instance: ``console`` or ``vnc``."""
    return f"/v1/namespaces/{namespace}/virtualmachineinstances/{name}/{device}"
