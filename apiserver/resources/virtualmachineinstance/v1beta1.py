"""v1beta1 knows no named bindings: an interface has a field for each way to reach its network."""

from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.bindings import LEGACY, interfaces_from_hub, interfaces_to_hub


def to_hub(old: Object, spec: Object) -> tuple[Object, Object]:
    """Return the metadata of ``old`` and ``spec``, the instance's spec in it, in v1."""
    return old["metadata"], interfaces_to_hub(spec, LEGACY)


def from_hub(hub: Object, spec: Object) -> tuple[Object, Object]:
    """Return the metadata of ``hub`` and ``spec``, the instance's spec in it, in v1beta1 as far as it can say it."""
    return hub["metadata"], interfaces_from_hub(spec, LEGACY)
