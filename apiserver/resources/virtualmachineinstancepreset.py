"""VirtualMachineInstancePreset: hardware for instances with certain labels, from before there were instancetypes."""

from dataclasses import replace

from apiserver.machinery.resource import Resource
from apiserver.machinery.schema import Catalogue
from apiserver.resources.kubevirtio import GROUP, versions
from apiserver.resources.virtualmachineinstance.conversions import conversions

KIND = "VirtualMachineInstancePreset"
_DEPRECATION = f"{GROUP}/{{}} {KIND} is deprecated; use instancetypes and preferences"


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind. It is deprecated in every version."""
    served = versions(catalogue, KIND, (), conversions())
    return Resource(
        group=GROUP,
        kind=KIND,
        plural="virtualmachineinstancepresets",
        singular="virtualmachineinstancepreset",
        short_names=("vmipreset", "vmipresets"),
        categories=("all",),
        namespaced=True,
        versions=tuple(replace(each, deprecation=_DEPRECATION.format(each.name)) for each in served),
        has_generation=True,
        custom=True,
        unattended=True,
    )
