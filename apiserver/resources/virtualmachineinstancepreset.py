"""VirtualMachineInstancePreset: hardware for instances with certain labels, from before there were instancetypes."""

from collections.abc import Iterable
from dataclasses import replace

from apiserver.machinery.errors import FieldError, StatusError
from apiserver.machinery.resource import Caller, Object, Resource, Strategy
from apiserver.machinery.schema import Catalogue
from apiserver.machinery.selectors import label_selector
from apiserver.resources.kubevirtio import GROUP, versions
from apiserver.resources.virtualmachineinstance.conversions import conversions
from apiserver.resources.virtualmachineinstance.validation import blocksize, boot, disks

KIND = "VirtualMachineInstancePreset"
_DEPRECATION = f"{GROUP}/{{}} {KIND} is deprecated; use instancetypes and preferences"
_RULES = (disks.drives, disks.places, disks.settings, blocksize.block_sizes, boot.bootloader, boot.kernel_boot)
"""What KubeVirt asks of a preset's domain; the rest is asked of the instances that it becomes part of."""


class VirtualMachineInstancePresetStrategy(Strategy):
    """A preset has hardware to give, and says to whom.

    Source: KubeVirt's ``vmi-preset-admitter.go``.
    """

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the preset."""
        spec = new.get("spec", {})
        try:
            label_selector(spec.get("selector", {}))
        except StatusError as problem:
            yield FieldError.invalid("spec.selector", spec["selector"], problem.message)
        if "domain" not in spec:
            yield FieldError.required("spec.domain", "say what instances get")
            return
        for rule in _RULES:
            yield from rule(spec, "spec")


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
        strategy=VirtualMachineInstancePresetStrategy(),
        has_generation=True,
        custom=True,
    )
