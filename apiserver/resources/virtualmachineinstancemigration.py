"""VirtualMachineInstanceMigration: the wish to move a running guest to another node."""

from apiserver.machinery.resource import Column, Object, Resource
from apiserver.machinery.schema import Catalogue
from apiserver.resources.kubevirtio import GROUP, versions
from apiserver.resources.versions import spec_conversion, without

KIND = "VirtualMachineInstanceMigration"
COLUMNS = (
    Column(name="Phase", json_path=".status.phase"),
    Column(name="VMI", json_path=".spec.vmiName"),
)


def _to_hub(spec: Object) -> Object:
    named = {"vmiName": spec["selector"]["name"]} if "selector" in spec else {}
    return {**without(spec, ("selector",)), **named}


def _from_hub(spec: Object) -> Object:
    selector = {"selector": {"name": spec["vmiName"]}} if "vmiName" in spec else {}
    return {**without(spec, ("vmiName",)), **selector}


_CONVERSIONS = {"v1alpha1": spec_conversion(GROUP, "v1", "v1alpha1", _to_hub, _from_hub)}


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    return Resource(
        group=GROUP,
        kind=KIND,
        plural="virtualmachineinstancemigrations",
        singular="virtualmachineinstancemigration",
        short_names=("vmim", "vmims"),
        categories=("all",),
        namespaced=True,
        versions=versions(catalogue, KIND, COLUMNS, _CONVERSIONS),
        has_status=True,
        has_generation=True,
        custom=True,
        unattended=True,
    )
