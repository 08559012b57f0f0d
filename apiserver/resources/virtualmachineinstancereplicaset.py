"""VirtualMachineInstanceReplicaSet: a number of instances that are all alike."""

from collections.abc import Iterable, Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.objectmeta import validate_annotations, validate_labels
from apiserver.machinery.resource import Caller, Column, Object, Resource, Strategy
from apiserver.machinery.schema import Catalogue
from apiserver.resources.cluster import Cluster
from apiserver.resources.kubevirtio import GROUP, versions
from apiserver.resources.rules import AGE, selector_errors
from apiserver.resources.scale import scale
from apiserver.resources.virtualmachineinstance.conversions import conversions
from apiserver.resources.virtualmachineinstance.validation import instance_errors, validate_spec
from apiserver.resources.virtualmachineinstance.warnings import spec_warnings

KIND = "VirtualMachineInstanceReplicaSet"
COLUMNS = (
    Column(name="Desired", json_path=".spec.replicas", type="integer"),
    Column(name="Current", json_path=".status.replicas", type="integer"),
    Column(name="Ready", json_path=".status.readyReplicas", type="integer"),
    AGE,
)
_TEMPLATE = "spec.template"


class VirtualMachineInstanceReplicaSetStrategy(Strategy):
    """The instances of a set are judged before the first is made, and are found by its selector.

    Source: KubeVirt's ``vmirs-admitter.go``.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the set and its template."""
        yield from _set_errors(new["spec"])
        yield from self._template_errors(new["spec"]["template"])

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the change. A template that was stored under older rules may stay as it is."""
        yield from _set_errors(new["spec"])
        if new["spec"]["template"] != old["spec"]["template"]:
            yield from self._template_errors(new["spec"]["template"])

    def warnings(self, new: Object) -> Iterable[str]:
        """Yield what should no longer be used or does not work yet, and why no guest will start from the template."""
        spec = new["spec"]["template"]["spec"]
        yield from spec_warnings(spec, f"{_TEMPLATE}.spec")
        for error in instance_errors(spec, f"{_TEMPLATE}.spec"):
            yield f"{error.field}: {error.message}; no guest can start from this"

    def _template_errors(self, template: Object) -> Iterator[FieldError]:
        metadata = template.get("metadata", {})
        yield from validate_labels(metadata.get("labels", {}), f"{_TEMPLATE}.metadata.labels")
        yield from validate_annotations(metadata.get("annotations", {}), f"{_TEMPLATE}.metadata.annotations")
        yield from validate_spec(template["spec"], f"{_TEMPLATE}.spec", self._cluster.configuration)


def _set_errors(spec: Object) -> Iterator[FieldError]:
    replicas = spec.get("replicas", 1)
    if replicas < 0:
        yield FieldError.invalid("spec.replicas", replicas, "must be 0 or more")
    labels = spec["template"].get("metadata", {}).get("labels", {})
    yield from selector_errors(spec["selector"], labels, "spec.selector")


def resource(catalogue: Catalogue, cluster: Cluster) -> Resource:
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
        strategy=VirtualMachineInstanceReplicaSetStrategy(cluster),
        has_status=True,
        has_generation=True,
        custom=True,
        unattended=True,
        scale=scale(catalogue),
    )
