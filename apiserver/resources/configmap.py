"""ConfigMap: keys and values."""

from apiserver.machinery.resource import Column, Resource, Version
from apiserver.machinery.schema import Catalogue


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    columns = (Column(name="Age", json_path=".metadata.creationTimestamp", type="date"),)
    return Resource(
        group="",
        kind="ConfigMap",
        plural="configmaps",
        singular="configmap",
        short_names=("cm",),
        namespaced=True,
        versions=(Version(name="v1", schema=catalogue.schema("", "v1", "ConfigMap"), columns=columns),),
    )
