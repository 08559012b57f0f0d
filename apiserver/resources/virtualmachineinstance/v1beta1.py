"""v1beta1 knows no named bindings: an interface has a field for each way to reach its network."""

from apiserver.machinery.conversion import Lossless
from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.bindings import (
    LEGACY,
    interfaces_from_hub,
    interfaces_to_hub,
    settle_interfaces,
)


def spec_to_hub(spec: Object) -> Object:
    """Return an instance's spec in v1."""
    return interfaces_to_hub(spec, LEGACY)


def spec_from_hub(spec: Object) -> Object:
    """Return an instance's v1 spec in v1beta1, as far as it can say it."""
    return interfaces_from_hub(spec, LEGACY)


class _Spoke:
    def to_hub(self, old: Object) -> Object:
        return {**old, "apiVersion": "kubevirt.io/v1", "spec": spec_to_hub(old["spec"])}

    def from_hub(self, hub: Object) -> Object:
        return {**hub, "apiVersion": "kubevirt.io/v1beta1", "spec": spec_from_hub(hub["spec"])}


def settle(hub: Object, said: Object) -> None:
    """Let an interface have one way to reach its network, the client's."""
    settle_interfaces(hub["spec"], said["spec"])


CONVERSION = Lossless("v1beta1", _Spoke(), settle)
