"""VirtualMachineInstanceReplicaSet: a number of instances that are all alike."""

from apiserver.machinery.resource import Column, Resource
from apiserver.machinery.schema import Catalogue
from apiserver.resources.kubevirtio import GROUP, versions
from apiserver.resources.rules import AGE
from apiserver.resources.scale import scale
from apiserver.resources.virtualmachineinstance.conversions import conversions

KIND = "VirtualMachineInstanceReplicaSet"
COLUMNS = (
    Column(name="Desired", json_path=".spec.replicas", type="integer"),
    Column(name="Current", json_path=".status.replicas", type="integer"),
    Column(name="Ready", json_path=".status.readyReplicas", type="integer"),
    AGE,
)


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    return Resource(
        group=GROUP,
        kind=KIND,
        plural="virtualmachineinstancereplicasets",
        singular="virtualmachineinstancereplicaset",
        short_names=("vmirs", "vmirss"),
        categories=("all",),
        namespaced=True,
        versions=versions(catalogue, KIND, COLUMNS, conversions("template", "spec")),
        has_status=True,
        has_generation=True,
        custom=True,
        unattended=True,
        scale=scale(catalogue),
    )
