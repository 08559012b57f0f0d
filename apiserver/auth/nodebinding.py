"""What is bound to a node: the VirtualMachineInstances it runs and the Secrets that those mention.

Source: Kubernetes' Node authorizer, which lets a kubelet read only the Secrets of pods bound to it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

INSTANCES = "virtualmachineinstances"


class Instances(Protocol):
    """Reads VirtualMachineInstances from memory."""

    def one(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """Return one, or None."""
        ...

    def all(self, namespace: str) -> Iterator[Mapping[str, Any]]:
        """Yield those of one namespace."""
        ...


def is_bound(instances: Instances, node: str, resource: str, namespace: str, name: str) -> bool:
    """Return True when the instance runs on ``node``, or the Secret is mentioned by one that does."""
    if resource == INSTANCES:
        found = instances.one(namespace, name)
        # What does not exist is no secret; the registry answers 404.
        return found is None or _node_of(found) == node
    return any(_node_of(each) == node and name in secret_names(each) for each in instances.all(namespace))


def secret_names(instance: Mapping[str, Any]) -> set[str]:
    """Return the names of all Secrets that a VirtualMachineInstance's spec mentions."""
    spec = instance.get("spec", {})
    names: set[str] = set()
    for volume in spec.get("volumes", ()):
        for source in volume.values():
            if isinstance(source, dict):
                names |= {source[key]["name"] for key in ("secretRef", "networkDataSecretRef") if key in source}
                names |= {source[key] for key in ("imagePullSecret", "secretName") if key in source}
    kernel = spec.get("domain", {}).get("firmware", {}).get("kernelBoot", {}).get("container", {})
    return names | ({kernel["imagePullSecret"]} if "imagePullSecret" in kernel else set())


def _node_of(instance: Mapping[str, Any]) -> str:
    return instance.get("status", {}).get("nodeName", "")
