"""What is bound to a node: the VirtualMachineInstances it runs and the Secrets that those mention.

Source: Kubernetes' Node authorizer, which lets a kubelet read only the Secrets of pods bound to it.
"""

from collections.abc import Iterator
from typing import Protocol

from kube.instances import node_of, secret_names
from kube.objects import Object

INSTANCES = "virtualmachineinstances"


class Instances(Protocol):
    """Reads VirtualMachineInstances from memory."""

    def one(self, namespace: str, name: str) -> Object | None:
        """Return one, or None."""
        ...

    def all(self, namespace: str) -> Iterator[Object]:
        """Yield those of one namespace."""
        ...


def is_bound(instances: Instances, node: str, resource: str, namespace: str, name: str) -> bool:
    """Return True when the instance runs on ``node``, or the Secret is mentioned by one that does."""
    if resource == INSTANCES:
        found = instances.one(namespace, name)
        # What does not exist is no secret; the registry answers 404.
        return found is None or node_of(found) == node
    return any(node_of(each) == node and name in secret_names(each) for each in instances.all(namespace))
