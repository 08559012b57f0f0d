"""What is bound to a node: the VirtualMachineInstances it runs and the Secrets that those mention.

Source: Kubernetes' Node authorizer, which lets a kubelet read only the Secrets of pods bound to it.
"""

from apiserver.machinery.resource import Stored
from kube.instances import node_of, secret_names

INSTANCES = "virtualmachineinstances"
_STORED_AS = f"{INSTANCES}.kubevirt.io"


def is_bound(stored: Stored, node: str, resource: str, namespace: str, name: str) -> bool:
    """Return True when the instance runs on ``node``, or the Secret is mentioned by one that does."""
    if resource == INSTANCES:
        found = stored.one(_STORED_AS, namespace, name)
        # What does not exist is no secret; the registry answers 404.
        return found is None or node_of(found) == node
    return any(node_of(each) == node and name in secret_names(each) for each in stored.all(_STORED_AS, namespace))
