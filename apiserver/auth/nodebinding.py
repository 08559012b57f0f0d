"""What is bound to a node: the VirtualMachineInstances it runs, the Secrets that those mention, and what it asked for.

Source: Kubernetes' Node authorizer, which lets a kubelet read only the Secrets of pods bound to it.
"""

from apiserver.machinery.resource import Stored
from kube.instances import node_of, secret_names
from kube.users import NODE_PREFIX

INSTANCES = "virtualmachineinstances"
REQUESTS = "certificatesigningrequests"
_STORED_AS = f"{INSTANCES}.kubevirt.io"


def is_bound(stored: Stored, node: str, resource: str, namespace: str, name: str) -> bool:
    """Return True when the instance runs on ``node``, the Secret is mentioned by one, or its agent made the request."""
    if resource == INSTANCES:
        found = stored.one(_STORED_AS, namespace, name)
        # What does not exist is no secret; the registry answers 404.
        return found is None or node_of(found) == node
    if resource == REQUESTS:
        found = stored.one(f"{REQUESTS}.certificates.k8s.io", "", name)
        return found is None or found["spec"].get("username") == f"{NODE_PREFIX}{node}"
    return any(node_of(each) == node and name in secret_names(each) for each in stored.all(_STORED_AS, namespace))
