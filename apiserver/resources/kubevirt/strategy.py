"""What is special about a KubeVirt object: there is one, and it may not go while guests depend on it.

Source: KubeVirt's ``pkg/virt-operator/webhooks``.
"""

from collections.abc import Iterable

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Object, Strategy
from apiserver.resources.cluster import Cluster
from apiserver.resources.kubevirt.advice import advice
from apiserver.resources.kubevirt.validation import validate_spec
from kube.configuration import KUBEVIRTS

_WORKLOADS = {
    "virtualmachineinstances.kubevirt.io": "VirtualMachineInstances",
    "virtualmachines.kubevirt.io": "VirtualMachines",
    "virtualmachineinstancereplicasets.kubevirt.io": "VirtualMachineInstanceReplicaSets",
}


class KubeVirtStrategy(Strategy):
    """The one configuration: checked as a whole when its spec changes."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def refuses_delete(self, obj: Object) -> str | None:
        """Keep the object while there are workloads, where its uninstallStrategy says so and it is in force."""
        blocks = obj["spec"].get("uninstallStrategy") == "BlockUninstallIfWorkloadsExist"
        if not blocks or (obj.get("status") or {}).get("phase") != "Deployed" or "deletionTimestamp" in obj["metadata"]:
            return None
        left = [told for kind, told in _WORKLOADS.items() if any(True for _ in self._cluster.stored.all(kind))]
        return f"spec.uninstallStrategy blocks it while there are {' and '.join(left)}" if left else None

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the object; a second one is wrong by itself."""
        yield from self._others(new["metadata"])
        yield from validate_spec(new["spec"], {})

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with a changed spec. One that was stored under older rules may stay as it is."""
        if new["spec"] != old["spec"]:
            yield from validate_spec(new["spec"], old["spec"])

    def warnings(self, new: Object) -> Iterable[str]:
        """Yield what the object says in vain, or should no longer say."""
        return advice(new)

    def _others(self, metadata: Object) -> Iterable[FieldError]:
        own = metadata.get("namespace"), metadata.get("name")
        for other in self._cluster.stored.all(KUBEVIRTS):
            namespace, name = other["metadata"]["namespace"], other["metadata"]["name"]
            if (namespace, name) != own:
                told = f"there is a KubeVirt object already, {namespace}/{name}; change that one"
                yield FieldError.forbidden("metadata.name", told)
