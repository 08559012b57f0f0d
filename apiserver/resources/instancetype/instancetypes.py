"""VirtualMachineInstancetype and VirtualMachineClusterInstancetype: sizes that machines can have."""

from collections.abc import Iterable

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Object, Resource, Strategy
from apiserver.machinery.schema import Catalogue
from apiserver.resources.instancetype.conversion import SIZES
from apiserver.resources.instancetype.definition import define
from apiserver.resources.rules import quantity_errors

KIND = "VirtualMachineInstancetype"
CLUSTER_KIND = "VirtualMachineClusterInstancetype"


class InstancetypeStrategy(Strategy):
    """A size can be changed; machines go on with the revision that they started from.

    Source: KubeVirt's ``pkg/instancetype/webhooks/admitter.go``.
    """

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the size."""
        memory = new["spec"]["memory"]
        for field in ("guest", "maxGuest"):
            if field in memory:
                yield from quantity_errors(memory[field], f"spec.memory.{field}")
        if memory.get("overcommitPercent") and "hugepages" in memory:
            detail = "huge pages are set aside as a whole: remove either overcommitPercent or hugepages"
            yield FieldError.invalid("spec.memory.overcommitPercent", memory["overcommitPercent"], detail)

    def warnings(self, new: Object) -> Iterable[str]:
        """Yield what is accepted and should no longer be used."""
        if "launchSecurity" in new["spec"]:
            yield "spec.launchSecurity is deprecated; use preferredLaunchSecurity of a preference"


def namespaced(catalogue: Catalogue) -> Resource:
    """Define the kind of sizes for one namespace."""
    return define(catalogue, KIND, ("vminstancetype", "vminstancetypes", "vmf", "vmfs"), SIZES, InstancetypeStrategy())


def cluster(catalogue: Catalogue) -> Resource:
    """Define the kind of sizes for all namespaces."""
    return define(
        catalogue,
        CLUSTER_KIND,
        ("vmclusterinstancetype", "vmclusterinstancetypes", "vmcf", "vmcfs"),
        SIZES,
        InstancetypeStrategy(),
    )
