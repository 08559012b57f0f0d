"""KubeVirt: wiring only; the rules live in the sibling modules."""

from apiserver.machinery.resource import Column, Resource
from apiserver.machinery.schema import Catalogue
from apiserver.resources.cluster import Cluster
from apiserver.resources.kubevirt.strategy import KubeVirtStrategy
from apiserver.resources.kubevirtio import GROUP, versions

KIND = "KubeVirt"
COLUMNS = (
    Column(name="Age", json_path=".metadata.creationTimestamp", type="date"),
    Column(name="Phase", json_path=".status.phase"),
)


def resource(catalogue: Catalogue, cluster: Cluster) -> Resource:
    """Define the kind."""
    return Resource(
        group=GROUP,
        kind=KIND,
        plural="kubevirts",
        singular="kubevirt",
        short_names=("kv", "kvs"),
        categories=("all",),
        namespaced=True,
        versions=versions(catalogue, KIND, COLUMNS),
        strategy=KubeVirtStrategy(cluster),
        has_status=True,
        has_generation=True,
        custom=True,
    )
